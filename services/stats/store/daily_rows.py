"""The rows of a day: made from the raw records when it is over, and live for today.

A day is rolled up some time after its end, when late reports have come in. What changes an
older day later (an import, a Hub that was away) makes it be rolled up again.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import bounds, day_of, days
from services.stats.intervals import Interval
from services.stats.record.sampler import LONGEST
from services.stats.records import MADE_UP, Poll, Session
from services.stats.store import tables as t
from services.stats.store.rollup import (
    HUB,
    SAVES_AT_MOST,
    CountedDay,
    DayRecords,
    GroupDay,
    UserDay,
    roll_up,
)
from services.stats.store.rows import session_of
from services.stats.store.store import Store

LATE = timedelta(hours=1)
"""How long after midnight a day is rolled up."""

DAYS_AT_ONCE = 3
"""Days whose records are read together: commonly one or two are not rolled up."""


async def roll_up_until(store: Store, now: datetime) -> list[date]:
    """Roll up every day that is over and not yet done; which those were.

    Each day is a transaction of its own. If the database's days are of another time zone than
    the store's, all days with raw records are done anew.
    """
    done = []
    while (day := await _next_day(store, now)) is not None:
        async with store.writing() as connection:
            meta = await store.read_meta(connection, lock=True)
            if meta.get("rolled_until") != day.isoformat():
                continue  # marked again meanwhile
            end = bounds(day, store.zone).end
            (records,) = [one async for one in read_days(store, connection, [day], end)]
            user_days, group_days = roll_up(records)
            await _replace(store, connection, day, user_days, group_days)
            await store.write_meta(
                connection,
                rolled_until=(day + timedelta(days=1)).isoformat(),
                timezone=store.zone.key,
            )
        done.append(day)
    return done


async def _next_day(store: Store, now: datetime) -> date | None:
    async with store.reading() as connection:
        meta = await store.read_meta(connection)
    if "rolled_until" not in meta:
        return None
    if meta.get("timezone", store.zone.key) != store.zone.key:
        first = meta.get("pruned_before", meta["first_day"])
        async with store.writing() as connection:
            await store.write_meta(connection, rolled_until=first, timezone=store.zone.key)
        return await _next_day(store, now)
    day = date.fromisoformat(meta["rolled_until"])
    return day if day < day_of(now - LATE, store.zone) else None


async def _replace(
    store: Store,
    connection: AsyncConnection,
    day: date,
    user_days: list[UserDay],
    group_days: list[GroupDay],
) -> None:
    for table in (t.user_days, t.group_days):
        await connection.execute(delete(table).where(table.c.day == day))
    await store.upsert(connection, t.user_days, (row._asdict() for row in user_days))
    rows = [row for row in group_days if row.group_id == HUB or row.active_30 or row.server_seconds]
    await store.upsert(connection, t.group_days, (row._asdict() for row in rows))


async def count_live_days(store: Store, connection: AsyncConnection) -> list[CountedDay]:
    """The days that are not rolled up yet, up to the last whole poll."""
    meta = await store.read_meta(connection)
    last = await connection.scalar(select(func.max(t.polls.c.time)).where(t.polls.c.whole))
    if "rolled_until" not in meta or last is None:
        return []
    wanted = list(days(date.fromisoformat(meta["rolled_until"]), day_of(last, store.zone)))
    records = read_days(store, connection, wanted, last, groups=())
    return [CountedDay(of_day) async for of_day in records]


class LiveDays:
    """The days not rolled up, counted once a poll: a page asks many questions at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counting = asyncio.Lock()
        self._key: tuple[object, ...] = ()
        self._days: list[CountedDay] = []
        self._users: list[UserDay] = []
        self._groups: dict[int, list[GroupDay]] = {}

    async def read(
        self, connection: AsyncConnection, last_poll: datetime, groups: Collection[int] = ()
    ) -> tuple[list[UserDay], list[GroupDay]]:
        """The rows of days not rolled up, of the hub and these groups. Not to be changed."""
        meta = await self._store.read_meta(connection)
        key = (last_poll, meta.get("rolled_until"), meta.get("edits"))
        async with self._counting:  # others who ask meanwhile get the same
            if key != self._key:
                self._days = await count_live_days(self._store, connection)
                self._users = [row for day in self._days for row in day.users()]
                self._groups = {HUB: [day.hub() for day in self._days]}
                self._key = key
            for group_id in groups:
                if group_id not in self._groups:
                    self._groups[group_id] = await self._count_group(connection, group_id)
            rows = [row for group_id in (HUB, *groups) for row in self._groups[group_id]]
            return self._users, rows

    async def _count_group(self, connection: AsyncConnection, group_id: int) -> list[GroupDay]:
        rows = []
        for day in self._days:
            window = bounds(day.records.day, self._store.zone)
            members = (await _members(connection, window, (group_id,))).get(group_id, set())
            if members:
                rows.append(day.group(group_id, members))
        return rows


async def read_days(
    store: Store,
    connection: AsyncConnection,
    wanted: Sequence[date],
    until: datetime,
    groups: Collection[int] | None = None,
) -> AsyncIterator[DayRecords]:
    """Everything recorded about these days, which follow each other, up to a moment.

    The days before the first must have been rolled up, and no later one is asked about them.
    """
    last_active = await _last_active(connection, wanted[0]) if wanted else {}
    for at in range(0, len(wanted), DAYS_AT_ONCE):
        some = wanted[at : at + DAYS_AT_ONCE]
        wholes = [bounds(day, store.zone) for day in some]
        windows = [Interval(w.start, max(w.start, min(w.end, until))) for w in wholes]
        span = Interval(windows[0].start, windows[-1].end)
        sessions = await _read_sessions(connection, span)
        activity = await _read_activity(connection, span)
        for day, whole, window in zip(some, wholes, windows, strict=True):
            worked = [
                (user_id, interval)
                for user_id, interval in activity
                if interval.start < window.end
                and (interval.end > window.start or interval.start == window.start)
            ]
            yield DayRecords(
                day=day,
                window=window,
                zone=store.zone,
                sessions=[
                    session
                    for session in sessions
                    if session.started < window.end
                    and (session.ended is None or session.ended > window.start - SAVES_AT_MOST)
                ],
                activity=worked,
                polls=await read_polls(connection, window),
                people=await _count_people(connection, whole),
                members=await _members(connection, whole, groups),
                newcomers=await _newcomers(connection, whole),
                active_6_before=_since(last_active, day - timedelta(days=6)),
                active_29_before=_since(last_active, day - timedelta(days=29)),
            )
            last_active |= {user_id: day for user_id, _ in worked}


async def _read_sessions(connection: AsyncConnection, span: Interval) -> list[Session]:
    """Those that ran in it, or ended in the 24 hours before it.

    This looks at every session: an index on their ends would be a fifth of the database.
    """
    ended = t.sessions.c.ended > span.start - SAVES_AT_MOST
    rows = await connection.execute(
        select(t.sessions).where(t.sessions.c.started < span.end, ended)
    )
    return [session_of(row) for row in rows.all()]


async def _read_activity(connection: AsyncConnection, span: Interval) -> list[tuple[int, Interval]]:
    c = t.activity.c
    query = select(c.user_id, c.start, c.seconds)
    rows = await connection.execute(
        query.where(c.start < span.end, c.start >= span.start - LONGEST)
    )
    return [
        (user_id, Interval(start, start + timedelta(seconds=seconds)))
        for user_id, start, seconds in rows.all()
    ]


async def _count_people(connection: AsyncConnection, whole: Interval) -> int:
    query = select(func.count()).where(
        t.users.c.first_seen < whole.end, t.users.c.deleted > whole.start
    )
    return await connection.scalar(query) or 0


async def read_polls(connection: AsyncConnection, window: Interval) -> list[Poll]:
    """The whole polls in the window, with the last before and the first after it."""
    time = t.polls.c.time
    whole = t.polls.c.whole == true()
    before = select(func.max(time)).where(whole, time < window.start).scalar_subquery()
    after = select(func.min(time)).where(whole, time >= window.end).scalar_subquery()
    query = (
        select(t.polls)
        .where(
            whole,
            time >= func.coalesce(before, literal(window.start, t.UTCTime())),
            time <= func.coalesce(after, literal(window.end, t.UTCTime())),
        )
        .order_by(time)
    )
    rows = await connection.execute(query)
    return [Poll(**row._mapping) for row in rows.all()]


async def _members(
    connection: AsyncConnection, window: Interval, groups: Collection[int] | None
) -> dict[int, set[int]]:
    query = select(t.memberships.c.group_id, t.memberships.c.user_id).where(
        t.memberships.c.since < window.end, t.memberships.c.until > window.start
    )
    if groups is not None:
        query = query.where(t.memberships.c.group_id.in_(groups))
    members: dict[int, set[int]] = {}
    for row in (await connection.execute(query)).all():
        members.setdefault(row.group_id, set()).add(row.user_id)
    return members


async def _newcomers(connection: AsyncConnection, window: Interval) -> set[int]:
    """Whose account was made that day; where the Hub does not say, who was first seen."""
    created, seen = t.users.c.created, t.users.c.first_seen
    made = (created >= window.start) & (created < window.end)
    unknown = created.is_(None) | (created == MADE_UP)
    first = unknown & (seen >= window.start) & (seen < window.end)
    rows = await connection.execute(select(t.users.c.id).where(made | first))
    return {row.id for row in rows}


async def _last_active(connection: AsyncConnection, before: date) -> dict[int, date]:
    """The last day on which somebody was active, of the 29 rolled-up days before that one."""
    c = t.user_days.c
    query = (
        select(c.user_id, func.max(c.day))
        .where(c.day >= before - timedelta(days=29), c.day < before, c.was_active)
        .group_by(c.user_id)
    )
    return dict(tuple(row) for row in (await connection.execute(query)).all())


def _since(last_active: Mapping[int, date], first: date) -> set[int]:
    return {user_id for user_id, day in last_active.items() if day >= first}
