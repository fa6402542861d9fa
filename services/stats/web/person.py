"""The page of one user: their timeline and their numbers."""

from datetime import date
from typing import Any

from aiohttp import web

from common.web.application import PREFIX
from services.stats.query import figures
from services.stats.query.access import Individual
from services.stats.query.figures import PERSONAL
from services.stats.query.periods import of_one_user
from services.stats.query.question import Span
from services.stats.query.timeline import Timeline, sessions, timeline_days
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
        timeline = Timeline(None)
        context: dict[str, Any] = {
            "facts": (),
            "figures": (),
            "timeline_days": (),
            "week": None,
            "shades": (),
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
        week = figures.week(days)
        over_time = [figures.over_time(key, summaries, asked.question.by) for key in PERSONAL]
        return {
            "facts": figures.facts(total, personal=True),
            "timeline_days": timeline_days(
                timeline, first, last, self.queries.zone, span.last_poll
            ),
            "sessions": sessions(timeline, span.last_poll),
            "figures": [*over_time, figures.lengths(days)],
            "week": week,
            "shades": figures.shades(week),
        }
