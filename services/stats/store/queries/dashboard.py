"""The dashboard's SQL: what pages, API and report read from the database.

Every query takes an ``Audience``, which only a ``Viewer`` creates (``query/access.py``)::

    viewer = Viewer.of(name, full_access, admin=..., groups=..., scopes=...)
    audience = viewer.audience(group="nbgrader-x")     # raises OutOfScope: 403
    rows = await queries.days(audience, first, last)   # a GroupDay for each day
    week_by_hour(rows), session_lengths(rows)          # query/periods.py
    await queries.summaries(audience, await queries.periods(first, last, By.WEEK))
    await queries.people(audience, first, last)        # the table of users
    await queries.timeline(viewer.audience(user=name), first, last)

Days begin at midnight in the store's time zone (``--timezone``). Members of a group are shown
only for the days on which they were in it. What was not observed is None, never zero.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import By, Period, day_of, periods
from services.stats.intervals import Interval
from services.stats.pseudonyms import is_pseudonym
from services.stats.query.access import Audience, Individual, Viewer, WholeHub
from services.stats.query.cohort.distribution import Distribution
from services.stats.query.cohort.standing import Standings
from services.stats.query.glance.headline import Headline, weeks
from services.stats.query.people import GroupRow, PersonRow
from services.stats.query.periods import Summary, day_lengths, summarise
from services.stats.query.question import InvalidQuery, Span
from services.stats.query.servers import forecast
from services.stats.query.servers.ages import RunningServer
from services.stats.query.servers.choices import ServerUse
from services.stats.query.servers.forecast import Expected
from services.stats.query.spawns import SpawnSummary
from services.stats.query.timeline import Timeline
from services.stats.query.uncounted import Uncounted
from services.stats.records import GroupDay
from services.stats.settings.terms import Terms, terms_of
from services.stats.store import tables as t
from services.stats.store.daily.rows import LiveDays
from services.stats.store.queries import days, observation, people, spawns, timelines
from services.stats.store.queries.cohort import distribution, standings
from services.stats.store.queries.exclusion import uncounted
from services.stats.store.queries.headline import (
    EverActive,
    read_headline,
    read_observed_until,
)
from services.stats.store.queries.resources import ResourceRecords, resource_records
from services.stats.store.queries.selection import Selection
from services.stats.store.queries.servers.running import running_servers
from services.stats.store.queries.servers.use import server_use
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER


class Queries:
    """Reads from a store. ``name_of`` maps a user name to its stored form (a pseudonym)."""

    def __init__(self, store: Store, *, name_of: Callable[[str], str] = str) -> None:
        self.store = store
        self.zone = store.zone
        self.name_of = name_of
        self._live = LiveDays(store)
        self._ever_active = EverActive(store)

    async def span(self) -> Span | None:
        """The time for which there are records; None before the first poll."""
        async with self.store.reading() as connection:
            return await self._span(connection)

    async def count_today(self) -> None:
        """Count the days that are not rolled up yet, so that the next page need not wait."""
        async with self.store.reading() as connection:
            span = await self._span(connection)
            if span is not None:
                await self._live.read(connection, span.last_poll)
                await self._ever_active.read(connection, span.last_poll)

    async def counters_read(self) -> datetime | None:
        """When the Hub's counters of spawns were last read; None: never."""
        async with self.store.reading() as connection:
            return await spawns.counters_read(connection)

    async def resolution(self, first: date, last: date) -> int | None:
        """The longest time between two polls on these days, in seconds, gaps apart.

        A session that ran only between two polls was not seen. None if nothing was recorded.
        """
        async with self._select(WholeHub(), first, last) as selection:
            return await observation.resolution(selection)

    async def made_up(self) -> bool:
        """Whether the database holds demo data."""
        async with self.store.reading() as connection:
            return (await self.store.read_meta(connection)).get("made_up") == "yes"

    async def hub_name(self) -> str:
        """The name of the hub, as the service was configured; empty if it was not."""
        async with self.store.reading() as connection:
            return (await self.store.read_meta(connection)).get("hub_name", "")

    async def uncounted(self, audience: Audience, first: date, last: date) -> Uncounted:
        """How many users of the audience are not counted on these days."""
        async with self._select(audience, first, last) as selection:
            return await uncounted.uncounted(
                selection, await self.store.read_meta(selection.connection)
            )

    async def is_uncounted(self, audience: Individual, first: date, last: date) -> bool:
        """Whether the user is not counted on at least one of these days."""
        async with self._select(audience, first, last) as selection:
            return await uncounted.is_uncounted(selection)

    async def terms(self) -> Terms:
        """The terms that the service was started with; none if it has no file of terms."""
        async with self.store.reading() as connection:
            return terms_of((await self.store.read_meta(connection)).get("terms", ""))

    async def periods(self, first: date, last: date, by: By) -> list[Period]:
        """The periods of these days. Raises InvalidQuery for terms if there are none."""
        terms = await self.terms() if by is By.TERM else ()
        if by is By.TERM and not terms:
            raise InvalidQuery(["by: no terms are known; start the service with --terms=FILE."])
        return periods(first, last, by, terms)

    async def groups(self, viewer: Viewer) -> list[GroupRow]:
        """The groups that the viewer may choose, with their current number of members."""
        now = func.count(t.memberships.c.user_id).filter(t.memberships.c.until == FOREVER)
        query = (
            select(t.groups.c.name, now.label("members"))
            .select_from(t.groups.outerjoin(t.memberships))
            .group_by(t.groups.c.name)
            .order_by(t.groups.c.name)
        )
        async with self.store.reading() as connection:
            rows = await connection.execute(query)
            return [
                GroupRow(row.name, row.members) for row in rows if viewer.may_see_group(row.name)
            ]

    async def knows_user(self, name: str) -> bool:
        """Whether there is, or was, a user with this name or pseudonym."""
        async with self._select(Individual(name), date.max, date.min) as selection:
            assert isinstance(selection.audience, Individual)  # noqa: S101 - with the stored name
            return await selection.person(selection.audience) is not None

    async def days(self, audience: Audience, first: date, last: date) -> list[GroupDay]:
        """A row for each day that was observed at least in part, or has records."""
        async with self._select(audience, first, last) as selection:
            return await days.days(selection)

    async def summaries(self, audience: Audience, periods: Sequence[Period]) -> list[Summary]:
        """A summary of each period. The periods must be sorted and must not overlap."""
        if not periods:
            return []
        async with self._select(audience, periods[0].first, periods[-1].last) as selection:
            rows = await days.days(selection)
            return [await _summary(selection, rows, period) for period in periods]

    async def overview(
        self, audience: Audience, first: date, last: date, periods: Sequence[Period]
    ) -> tuple[list[GroupDay], Summary, list[Summary]]:
        """``days``, one summary of all of them, and ``summaries``, in one transaction."""
        async with self._select(audience, first, last) as selection:
            rows = await days.days(selection)
            total = await _summary(selection, rows, Period(first, last))
            return rows, total, [await _summary(selection, rows, period) for period in periods]

    async def spawns(
        self, audience: Audience, periods: Sequence[Period]
    ) -> list[SpawnSummary] | None:
        """How servers started in each period (a day, or more), by the Hub's own counters.

        The periods must be sorted and must not overlap. None if the audience is not the whole hub:
        the Hub counts spawns, but not whose.
        """
        if not periods:
            return []
        async with self._select(audience, periods[0].first, periods[-1].last) as selection:
            records = await spawns.read_spawns(selection)
            if records is None:
                return None
            rows = await observation.hub_days(selection)
            return [spawns.summary_of(selection, records, rows, period) for period in periods]

    async def headline(self, audience: Audience, now: datetime) -> Headline | None:
        """The figures of the first screen as of ``now``; None before the first poll."""
        this, last = weeks(day_of(now, self.zone))
        async with self._select(audience, last.first, this.last) as selection:
            return await read_headline(selection, self._ever_active, now)

    async def observed_until(self, now: datetime) -> datetime:
        """Until when to expect records: the last poll, or ``now`` if another one is overdue."""
        async with self.store.reading() as connection:
            return await read_observed_until(connection, now)

    async def people(self, audience: Audience, first: date, last: date) -> list[PersonRow]:
        """Every user of the audience, also without activity; by name."""
        async with self._select(audience, first, last) as selection:
            return await people.people(selection)

    async def inactive(self, audience: Audience, since: date) -> list[PersonRow]:
        """Current users of the audience who have not been active on ``since`` or later; by name.

        ``last_active`` is their last active day before that, if any.
        """
        async with self._select(audience, date.min, date.max) as selection:
            current = await people.current_users(selection)
            return [
                row
                for row in await people.people(selection, current)
                if row.last_active is None or row.last_active < since
            ]

    async def standings(
        self, audience: Audience, days: int, now: datetime | None = None
    ) -> Standings:
        """Current users of the audience who have not worked for this many days, and why.

        ``now``: after it, another poll may be overdue. None: as of the last poll.
        """
        async with self._select(audience, date.min, date.max) as selection:
            return await standings.standings(selection, days, await self._away(selection, now))

    async def standings_at_end(
        self, audience: Audience, period: Period, days: int, now: datetime | None = None
    ) -> Standings:
        """The same of users of the audience in a period: who did not work on its last days."""
        async with self._select(audience, period.first, period.last) as selection:
            away = await self._away(selection, now)
            return await standings.standings_at_end(selection, days, away)

    async def _away(self, selection: Selection, now: datetime | None) -> datetime | None:
        """The time of the last complete poll if another one is overdue. Demo data has no polls."""
        if now is None or selection.span is None:
            return None
        meta = await self.store.read_meta(selection.connection)
        overdue = await read_observed_until(selection.connection, now) > selection.span.last_poll
        return selection.span.last_poll if overdue and meta.get("made_up") != "yes" else None

    async def distribution(self, audience: Audience, first: date, last: date) -> Distribution:
        """What each user did who was there on the last day; by name."""
        async with self._select(audience, date.min, last) as selection:
            return await distribution.distribution(selection, first)

    async def timeline(self, audience: Individual, first: date, last: date) -> Timeline:
        """One user's timeline, as far as the viewer may see it."""
        async with self._select(audience, first, last) as selection:
            return await timelines.timeline(selection)

    async def gaps(self, first: date, last: date) -> list[Interval]:
        """When nothing was observed; known for as long as the raw polls are kept."""
        async with self._select(WholeHub(), first, last) as selection:
            return await observation.gaps(selection)

    async def servers_at(
        self, audience: Audience, first: date, last: date, points: int = 500
    ) -> list[tuple[datetime, int | None]]:
        """Running servers at about this many moments; None in a gap."""
        async with self._select(audience, first, last) as selection:
            return await timelines.servers_at(selection, points)

    async def server_use(self, audience: Audience, first: date, last: date) -> ServerUse:
        """The servers of these days by profile and image."""
        async with self._select(audience, first, last) as selection:
            known = (await self.store.read_meta(selection.connection)).get("profiles_from")
            return await server_use(selection, date.fromisoformat(known) if known else None)

    async def expected(self, audience: Audience, span: Span) -> list[Expected]:
        """How many servers to expect in the coming week, for the hub or a group."""
        rows = await self.days(audience, *forecast.days_needed(span.last_day))
        peaks = forecast.complete_peaks(rows, span.last_poll, self.zone)
        return forecast.forecast(span.last_day, peaks)

    async def running(self, audience: Audience) -> list[RunningServer]:
        """The servers of the audience that run now, the oldest first."""
        async with self._select(audience, date.min, date.max) as selection:
            return await running_servers(selection)

    async def resources(
        self, audience: Audience, viewer: Viewer, first: date, last: date
    ) -> ResourceRecords:
        """Who may own a server, and whose use of resources may be shown."""
        async with self._select(audience, first, last) as selection:
            return await resource_records(selection, viewer)

    @asynccontextmanager
    async def _select(
        self, audience: Audience, first: date, last: date
    ) -> AsyncIterator[Selection]:
        async with self.store.reading() as connection:
            span = await self._span(connection)
            if isinstance(audience, Individual):
                audience = replace(audience, name=self._stored_name(audience))
            selection = Selection(connection, audience, span, first, last, zone=self.zone)
            await selection.prepare(self._live)
            yield selection

    def _stored_name(self, audience: Individual) -> str:
        """The name as the database has it.

        For another user, a viewer may pass the pseudonym that the table of users shows. For
        themselves it is always the name they signed in with, even if it looks like a pseudonym.
        """
        if is_pseudonym(audience.name) and not audience.own:
            return audience.name
        return self.name_of(audience.name)

    async def _span(self, connection: AsyncConnection) -> Span | None:
        meta = await self.store.read_meta(connection)
        last = await connection.scalar(select(func.max(t.polls.c.time)).where(t.polls.c.whole))
        if "first_day" not in meta or last is None:
            return None
        first = date.fromisoformat(meta["first_day"])
        timelines_from = date.fromisoformat(meta.get("pruned_before", meta["first_day"]))
        return Span(first, max(first, day_of(last, self.zone)), last, timelines_from)


async def _summary(selection: Selection, rows: Sequence[GroupDay], period: Period) -> Summary:
    return summarise(
        period,
        [row for row in rows if period.first <= row.day <= period.last],
        await people.count_active(selection, period),
        day_lengths(period.first, period.last, selection.now, selection.zone),
        await spawns.starts(selection, rows, period),
    )
