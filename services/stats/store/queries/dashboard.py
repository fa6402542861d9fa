"""The database's read side: what the report and the pages ask.

Every question is asked for an ``Audience``, which only a ``Viewer`` makes (``access.py``)::

    viewer = Viewer.of(name, rules, admin=..., groups=..., scopes=...)
    audience = viewer.audience(group="nbgrader-x")     # OutOfScope: 403
    rows = await queries.days(audience, first, last)   # for charts: GroupDay
    week_by_hour(rows), session_lengths(rows)          # summary.py: heat map, histogram
    await queries.summaries(audience, periods(first, last, By.WEEK))
    await queries.people(audience, first, last)        # the table of users
    await queries.timeline(viewer.audience(user=name), first, last)

Days are the store's (``--timezone``). Of a person in a group only days on which they were in
it are shown. What was not observed is None, never zero.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import Period, day_of
from services.stats.intervals import Interval
from services.stats.pseudonyms import is_pseudonym
from services.stats.query.access import Audience, Everybody, Individual, Viewer
from services.stats.query.answers import GroupRow, PersonRow, Span, Timeline
from services.stats.query.summary import Summary, summarise
from services.stats.store import tables as t
from services.stats.store.daily_rows import LiveDays
from services.stats.store.queries import people
from services.stats.store.queries import timelines as raw
from services.stats.store.queries.question import Question
from services.stats.store.rollup import GroupDay
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER


class Queries:
    """Answers from a store. ``name_of`` gives the stored form of a name (a pseudonym)."""

    def __init__(self, store: Store, *, name_of: Callable[[str], str] = str) -> None:
        self.store = store
        self.zone = store.zone
        self.name_of = name_of
        self._live = LiveDays(store)

    async def span(self) -> Span | None:
        """What time there is anything about; None before the first poll."""
        async with self.store.reading() as connection:
            return await self._span(connection)

    async def count_today(self) -> None:
        """Count the days that are not rolled up, so that who asks next need not wait for it."""
        async with self.store.reading() as connection:
            span = await self._span(connection)
            if span is not None:
                await self._live.read(connection, span.last_poll)

    async def made_up(self) -> bool:
        """Whether what is in the database is not true, but demo data."""
        async with self.store.reading() as connection:
            return (await self.store.read_meta(connection)).get("made_up") == "yes"

    async def groups(self, viewer: Viewer) -> list[GroupRow]:
        """The groups that this viewer may choose, with how many are in them now."""
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

    async def days(self, audience: Audience, first: date, last: date) -> list[GroupDay]:
        """A row for each day on which the recorder looked, at least a little, or knew of any."""
        async with self._asking(audience, first, last) as question:
            return await self._days(question)

    async def summaries(self, audience: Audience, periods: Sequence[Period]) -> list[Summary]:
        """Each period in numbers. The periods must be sorted and not overlap."""
        if not periods:
            return []
        async with self._asking(audience, periods[0].first, periods[-1].last) as question:
            rows = await self._days(question)
            return [await _summary(question, rows, period) for period in periods]

    async def overview(
        self, audience: Audience, first: date, last: date, periods: Sequence[Period]
    ) -> tuple[list[GroupDay], Summary, list[Summary]]:
        """``days``, all of them in one summary, and ``summaries``, of one question."""
        async with self._asking(audience, first, last) as question:
            rows = await self._days(question)
            whole = await _summary(question, rows, Period(first, last))
            return rows, whole, [await _summary(question, rows, period) for period in periods]

    async def people(self, audience: Audience, first: date, last: date) -> list[PersonRow]:
        """Everybody in it, also who did nothing; sorted by name."""
        async with self._asking(audience, first, last) as question:
            return await people.people(question)

    async def inactive(self, audience: Audience, since: date) -> list[PersonRow]:
        """Who is in it now and has not been active since that day (included), by name.

        ``last_active`` is their last day before, if any.
        """
        async with self._asking(audience, date.min, date.max) as question:
            there = await people.there_now(question)
            return [
                row
                for row in await people.people(question, there)
                if row.last_active is None or row.last_active < since
            ]

    async def timeline(self, audience: Individual, first: date, last: date) -> Timeline:
        """A person's days, as far as the viewer may see them."""
        async with self._asking(audience, first, last) as question:
            return await raw.timeline(question)

    async def gaps(self, first: date, last: date) -> list[Interval]:
        """When nobody was looking; as long as the raw polls are kept."""
        async with self._asking(Everybody(), first, last) as question:
            return await raw.gaps(question)

    async def servers_at(
        self, audience: Audience, first: date, last: date, points: int = 500
    ) -> list[tuple[datetime, int | None]]:
        """Running servers at so many moments; None in a gap."""
        async with self._asking(audience, first, last) as question:
            return await raw.servers_at(question, points)

    @asynccontextmanager
    async def _asking(self, audience: Audience, first: date, last: date) -> AsyncIterator[Question]:
        async with self.store.reading() as connection:
            span = await self._span(connection)
            if isinstance(audience, Individual):
                audience = replace(audience, name=self._stored(audience))
            question = Question(self._live, self.zone, connection, audience, span, first, last)
            await question.prepare()
            yield question

    def _stored(self, audience: Individual) -> str:
        """The form in which the database has the name.

        Who looks at others may give a pseudonym, as a list of people shows it. For who asks about
        themselves it is the name they signed in with, though it look like somebody's pseudonym.
        """
        if is_pseudonym(audience.name) and not audience.themselves:
            return audience.name
        return self.name_of(audience.name)

    async def _span(self, connection: AsyncConnection) -> Span | None:
        meta = await self.store.read_meta(connection)
        last = await connection.scalar(select(func.max(t.polls.c.time)).where(t.polls.c.whole))
        if "first_day" not in meta or last is None:
            return None
        first = date.fromisoformat(meta["first_day"])
        raw = date.fromisoformat(meta.get("pruned_before", meta["first_day"]))
        return Span(first, max(first, day_of(last, self.zone)), last, raw)

    async def _days(self, question: Question) -> list[GroupDay]:
        if not isinstance(question.audience, Individual):
            return await question.days()
        if question.span is None or not question.windows or question.first > question.last:
            return []
        (user_id,) = question.windows
        return await question.days_of_person(
            await raw.sessions_of(question), await raw.work_of(question, user_id)
        )


async def _summary(question: Question, rows: Sequence[GroupDay], period: Period) -> Summary:
    return summarise(
        period,
        [row for row in rows if period.first <= row.day <= period.last],
        await people.count_active(question, period),
        question.lengths_of_days(period),
    )
