"""The figures of the page about servers, each of which is also a CSV file."""

from collections.abc import Awaitable, Callable
from datetime import date

from services.stats.days import By, Period, periods
from services.stats.query.access import Individual, WholeHub
from services.stats.query.figures import Figure
from services.stats.query.question import Span
from services.stats.query.servers import ages, choices, forecast, spawns
from services.stats.query.servers.choices import Dimension
from services.stats.query.spawns import SpawnSummary
from services.stats.store.queries.dashboard import Queries
from services.stats.web.pages import PageRequest


class ServerFigures:
    """The figures of one request. Those of one user are what they chose, and their servers."""

    def __init__(self, queries: Queries, asked: PageRequest, span: Span) -> None:
        self._queries, self._asked, self._span = queries, asked, span

    async def named(self, name: str) -> Figure | None:
        """The figure with this name; None if there is none, or none for this audience."""
        if name == "forecast" and isinstance(self._asked.audience, Individual):
            return None
        if name.startswith("spawn") and not isinstance(self._asked.audience, WholeHub):
            return None
        figures: dict[str, Callable[[], Awaitable[Figure]]] = {
            "profiles": self._profiles,
            "images": self._images,
            "ages": self._ages,
            "longrunning": self._long_running,
            "forecast": self._forecast,
            "spawns": self._spawns,
            "spawnlengths": self._spawn_lengths,
        }
        return await figures[name]() if name in figures else None

    async def _profiles(self) -> Figure:
        return await self._use(Dimension.PROFILE)

    async def _images(self) -> Figure:
        return await self._use(Dimension.IMAGE)

    async def _use(self, dimension: Dimension) -> Figure:
        days = self._asked.question.days(self._span)
        return choices.figure(
            dimension, await self._queries.server_use(self._asked.audience, *days)
        )

    async def _ages(self) -> Figure:
        return ages.figure(await self._queries.running(self._asked.audience))

    async def _long_running(self) -> Figure:
        return ages.list_figure(await self._queries.running(self._asked.audience))

    async def _forecast(self) -> Figure:
        return forecast.figure(await self._queries.expected(self._asked.audience, self._span))

    async def _spawns(self) -> Figure:
        by, days = self._asked.question.by, self._asked.question.days(self._span)
        found = await self._queries.spawns(self._asked.audience, periods(*days, by))
        return spawns.over_time(found or [], by)

    async def _spawn_lengths(self) -> Figure:
        total, which = await known_spawns(self._queries, *self._asked.question.days(self._span))
        return spawns.lengths(total, which)


async def known_spawns(queries: Queries, first: date, last: date) -> tuple[SpawnSummary, str]:
    """The starts of servers in the range, and on which days they are known, if not on all."""
    if first > last:
        return SpawnSummary(first, last), ""
    total = await queries.spawns(WholeHub(), [Period(first, last)]) or [SpawnSummary(first, last)]
    if total[0].starts is not None:
        return total[0], ""
    days = await queries.spawns(WholeHub(), periods(first, last, By.DAY)) or []
    return spawns.of_known_days(total[0], days), spawns.which_days(days)
