"""The page of one user: their timeline and their numbers."""

from datetime import date, timedelta
from typing import Any

from aiohttp import web

from common.web.application import PREFIX
from services.stats.days import Period, day_of
from services.stats.query import figures
from services.stats.query.access import Individual
from services.stats.query.figures import PERSONAL
from services.stats.query.glance.facts import facts
from services.stats.query.glance.headline import weeks
from services.stats.query.glance.own_week import calendar_start, months, own_days, own_week
from services.stats.query.glance.words import week_words
from services.stats.query.periods import of_one_user
from services.stats.query.question import Span
from services.stats.query.timeline import Timeline, sessions, timeline_days
from services.stats.query.timeline import week as week_of
from services.stats.web.errors import DataNotFound
from services.stats.web.pages import PageRequest, Pages


class PersonPage(Pages):
    """One user's page; the viewer's own unless a user is named."""

    def setup(self, app: web.Application) -> None:
        """Add the page's route."""
        app.router.add_get(app[PREFIX] + "person", self.person)

    async def person(self, request: web.Request) -> web.Response:
        """GET person."""
        asked = await self.parse(request, own=True)
        if not isinstance(asked.audience, Individual):
            raise DataNotFound("no user was named: add user=NAME to the address")
        return await self.show(request, asked)

    async def show(self, request: web.Request, asked: PageRequest) -> web.Response:
        """The page of the individual that the request is about. Raises DataNotFound."""
        span = await self.queries.span()
        if not asked.viewer.sees_others:
            return await self._own_page(request, asked, span)
        timeline = Timeline(None)
        context: dict[str, Any] = {
            "facts": (),
            "figures": (),
            "timeline_days": (),
            "week": None,
            "shades": (),
            "busy_hours": (0, 23),
        }
        if span is not None and isinstance(asked.audience, Individual):
            first, last = asked.question.days(span)
            timeline = await self.queries.timeline(asked.audience, first, last)
            context |= {"first": first, "last": last}
            if timeline.person is not None and first <= last:
                context |= await self._figures(asked, span, first, last, timeline)
        own = asked.question.user in ("", asked.viewer.name)
        if timeline.person is None and not own:
            raise DataNotFound("no such user among those you may see")
        if not own:
            # Other users are found through the list; mark that in the menu.
            context["path"] = request.app[PREFIX] + "users"
        template = "stats_person.html" if span else "stats_empty.html"
        return await self.render(request, asked, template, span=span, timeline=timeline, **context)

    async def _figures(
        self, asked: PageRequest, span: Span, first: date, last: date, timeline: Timeline
    ) -> dict[str, Any]:
        days = await self.queries.days(asked.audience, first, last)
        total = of_one_user(days, first, last, span.last_poll, self.queries.zone)
        summaries = await self.summaries(asked, span, first, last, days)
        week = week_of(timeline, days, self.queries.zone)
        today = day_of(asked.now, self.queries.zone)
        by = asked.question.by
        resolution = await self.queries.resolution(first, last)
        shown = {key: figures.over_time(key, summaries, by, today) for key in PERSONAL}
        shown["sessions"] = figures.with_resolution(shown["sessions"], resolution)
        return {
            "facts": facts(total, personal=True),
            "timeline_days": timeline_days(
                timeline, first, last, self.queries.zone, span.last_poll
            ),
            "sessions": figures.with_resolution(sessions(timeline, span.last_poll), resolution),
            "figures": [
                *shown.values(),
                figures.with_resolution(figures.lengths(days), resolution),
            ],
            "week": week,
            "shades": figures.shades(week),
            "busy_hours": figures.busy_hours(week),
        }

    async def _own_page(
        self, request: web.Request, asked: PageRequest, span: Span | None
    ) -> web.Response:
        """For viewers who see nothing else: their weeks in words, and a calendar."""
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        zone = self.queries.zone
        until = await self.queries.observed_until(asked.now)
        this, last = weeks(day_of(until, zone))
        sunday = last.first + timedelta(days=6)
        shown = _calendar_range(asked, span, this.last)
        rows = await self.queries.days(
            asked.audience, min(shown.first, last.first), max(shown.last, this.last)
        )
        known = [row for row in rows if row.active or row.active_seconds]
        sentences = [week_words(own_week(rows, this, until, zone), this=True)]
        if last.first >= span.first_day:
            week = own_week(rows, Period(last.first, sunday), until, zone)
            sentences.append(week_words(week, this=False))
        days = own_days(rows, shown.first, shown.last, until, zone)
        return await self.render(
            request,
            asked,
            "stats_own.html",
            span=span,
            started=bool(known),
            sentences=sentences,
            months=months(days),
            weekdays=figures.WEEKDAYS,
        )


def _calendar_range(asked: PageRequest, span: Span, today: date) -> Period:
    """The days of the calendar: those of the address, else the last weeks."""
    asked_for = asked.question.range
    if asked_for.since is None and asked_for.until is None:
        return Period(max(calendar_start(today), span.first_day), today)
    return Period(*asked.question.days(span))
