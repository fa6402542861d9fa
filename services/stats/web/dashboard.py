"""The dashboard: what a viewer may see, as pages that need no script."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from aiohttp import web

from common.web.application import PREFIX
from common.web.pages import PAGES, add_templates
from services.stats.days import By, periods
from services.stats.query import figures
from services.stats.query import timeline as lanes
from services.stats.query.access import Individual
from services.stats.query.answers import Span, Timeline
from services.stats.query.figures import OVER_TIME, PERSONAL, Figure
from services.stats.store.queries.dashboard import Queries
from services.stats.web.downloads import Downloads
from services.stats.web.pages import Pages, Question, number, utc
from services.stats.web.people_pages import PeoplePages
from services.stats.web.viewers import NotThere, Viewers, answer_errors


def add_pages(app: web.Application, *, queries: Queries, viewers: Viewers) -> None:
    """Add the dashboard to an application of common.web.application.create_app."""
    add_templates(app, "services.stats.web", "stats")
    app[PAGES].environment.filters.update(number=number, utc=utc)
    if answer_errors not in app.middlewares:
        app.middlewares.append(answer_errors)
    for pages in (Overview, PeoplePages, Downloads):
        pages(queries, viewers).setup(app)


class Overview(Pages):
    """The hub, a group, a person."""

    def setup(self, app: web.Application) -> None:
        """Add the pages' routes."""
        app.router.add_get(app[PREFIX], self.overview)
        app.router.add_get(app[PREFIX] + "person", self.person)

    async def overview(self, request: web.Request) -> web.Response:
        """The hub, a group, or, where that is all that may be seen, oneself."""
        question = await self.question(request)
        if isinstance(question.audience, Individual):
            return await self._person(request, question)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, question, "stats_empty.html", span=None)
        first, last = question.asked.days(span)
        shown: list[Figure] = []
        facts: Sequence[figures.Fact] = ()
        week = None
        if first <= last:
            cut = [] if question.asked.by is By.DAY else periods(first, last, question.asked.by)
            days, whole, summaries = await self.queries.overview(
                question.audience, first, last, cut
            )
            facts = figures.facts(whole, personal=False)
            if question.asked.by is By.DAY:
                summaries = figures.by_day(days, first, last, span.last_poll, self.queries.zone)
            shown = [figures.over_time(key, summaries, question.asked.by) for key in OVER_TIME]
            if self.fine(span, first, last):
                shown[list(OVER_TIME).index("servers")] = await self.moments(question, first, last)
            shown.append(figures.lengths(days))
            week = figures.week(days, self.queries.zone)
        return await self.render(
            request,
            question,
            "stats_overview.html",
            span=span,
            first=first,
            last=last,
            facts=facts,
            figures=shown,
            week=week,
            shades=figures.shades(week) if week else [],
        )

    async def person(self, request: web.Request) -> web.Response:
        """One person's timeline; one's own if nobody is named."""
        question = await self.question(request, own=True)
        if not isinstance(question.audience, Individual):
            raise NotThere("name the user whose timeline is wanted: user=NAME")
        return await self._person(request, question)

    async def _person(self, request: web.Request, question: Question) -> web.Response:
        span = await self.queries.span()
        timeline = Timeline(None)
        more: dict[str, Any] = {}
        if span is not None and isinstance(question.audience, Individual):
            first, last = question.asked.days(span)
            timeline = await self.queries.timeline(question.audience, first, last)
            if timeline.person is not None and first <= last:
                more = await self._portrait(question, span, first, last, timeline)
            more |= {"first": first, "last": last}
        themselves = question.asked.user in ("", question.viewer.name)
        if timeline.person is None and not themselves:
            raise NotThere("nothing is known of such a user among those you may see")
        template = "stats_person.html" if span else "stats_empty.html"
        if not themselves:
            more["path"] = request.app[PREFIX] + "users"  # of the menu, where they were found
        more = {"facts": (), "figures": (), "lanes": (), "week": None, "shades": ()} | more
        return await self.render(request, question, template, span=span, timeline=timeline, **more)

    async def _portrait(
        self, question: Question, span: Span, first: date, last: date, timeline: Timeline
    ) -> dict[str, Any]:
        days = await self.queries.days(question.audience, first, last)
        whole = figures.of_one(days, first, last, span.last_poll, self.queries.zone)
        summaries = await self.summaries(question, span, first, last, days)
        week = figures.week(days, self.queries.zone)
        return {
            "facts": figures.facts(whole, personal=True),
            "lanes": lanes.lanes(timeline, first, last, question.zone, span.last_poll),
            "sessions": lanes.sessions(timeline, span.last_poll),
            "figures": [figures.over_time(k, summaries, question.asked.by) for k in PERSONAL]
            + [figures.lengths(days)],
            "week": week,
            "shades": figures.shades(week),
        }
