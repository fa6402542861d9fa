"""The first page: the statistics of the hub or a group."""

from collections.abc import Sequence
from datetime import date

from aiohttp import web

from common.web.application import PREFIX
from services.stats.days import By, day_of
from services.stats.query import figures
from services.stats.query.access import Individual
from services.stats.query.figures import OVER_TIME, Figure
from services.stats.query.glance.facts import Fact, facts
from services.stats.query.glance.words import Card, cards
from services.stats.query.periods import by_day
from services.stats.query.question import Span
from services.stats.store.queries.dashboard import Queries
from services.stats.web.authentication import Authenticator
from services.stats.web.pages import PageRequest, Pages
from services.stats.web.person import PersonPage


class Overview(Pages):
    """The hub, a group or, for users who see nothing else, their own activity."""

    def __init__(self, queries: Queries, authenticator: Authenticator, person: PersonPage) -> None:
        super().__init__(queries, authenticator)
        self._person = person

    def setup(self, app: web.Application) -> None:
        """Add the page's route."""
        app.router.add_get(app[PREFIX], self.overview)

    async def overview(self, request: web.Request) -> web.Response:
        """GET the dashboard's root."""
        asked = await self.parse(request)
        if isinstance(asked.audience, Individual):
            return await self._person.show(request, asked)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        first, last = asked.question.days(span)
        key_numbers: Sequence[Fact] = ()
        shown: list[Figure] = []
        week = None
        if first <= last:
            key_numbers, shown, week = await self._figures(asked, span, first, last)
        return await self.render(
            request,
            asked,
            "stats_overview.html",
            span=span,
            first=first,
            last=last,
            cards=await self._cards(asked),
            facts=key_numbers,
            figures=shown,
            week=week,
            shades=figures.shades(week) if week else [],
            busy_hours=figures.busy_hours(week) if week else (0, 23),
        )

    async def _cards(self, asked: PageRequest) -> Sequence[Card]:
        """The three figures of the first screen, which are about now."""
        headline = await self.queries.headline(asked.audience, asked.now)
        if headline is None:
            return ()
        return cards(headline, asked.now, asked.zone, group=bool(asked.group))

    async def _figures(
        self, asked: PageRequest, span: Span, first: date, last: date
    ) -> tuple[Sequence[Fact], list[Figure], Figure]:
        by = asked.question.by
        wanted = [] if by is By.DAY else await self.queries.periods(first, last, by)
        days, total, summaries = await self.queries.overview(asked.audience, first, last, wanted)
        if by is By.DAY:
            summaries = by_day(days, first, last, span.last_poll, self.queries.zone)
        today = day_of(asked.now, self.queries.zone)
        shown = {key: figures.over_time(key, summaries, by, today) for key in OVER_TIME}
        if self.detailed(span, first, last):
            shown["servers"] = await self.running_servers(asked, first, last)
        resolution = await self.queries.resolution(first, last)
        shown["sessions"] = figures.with_resolution(shown["sessions"], resolution)
        lengths = figures.with_resolution(figures.lengths(days), resolution)
        week = figures.week(days)
        return facts(total, personal=False), [*shown.values(), lengths], week
