"""The rows of a day: made from the raw records when it is over, and live for today.

A day is rolled up some time after its end, when late reports have come in. What changes an
older day later (an import, a Hub that was away) makes it be rolled up again.
"""

import asyncio
from collections.abc import Collection
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats import tables as t
from services.stats.days import bounds, day_of, days
from services.stats.intervals import Interval
from services.stats.records import MADE_UP, Poll
from services.stats.rollup import (
    HUB,
    SAVES_AT_MOST,
    CountedDay,
    DayRecords,
    GroupDay,
    UserDay,
    roll_up,
)
from services.stats.rows import session_of
from services.stats.sampler import LONGEST
from services.stats.store import Store

LATE = timedelta(hours=1)
"""How long after midnight a day is rolled up."""


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
            records = await read_day(store, connection, day, bounds(day, store.zone).end)
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
    first = date.fromisoformat(meta["rolled_until"])
    counted: list[CountedDay] = []
    before: set[int] = set()
    for day in days(first, day_of(last, store.zone)):
        records = await read_day(store, connection, day, last, groups=())
        records.active_6_before = records.active_6_before | before
        records.active_29_before = records.active_29_before | before
        counted.append(CountedDay(records))
        before |= {row.user_id for row in counted[-1].users() if row.was_active}
    return counted


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


async def read_day(
    store: Store,
    connection: AsyncConnection,
    day: date,
    until: datetime,
    groups: Collection[int] | None = None,
) -> DayRecords:
    """Everything recorded about the day, up to a moment."""
    whole = bounds(day, store.zone)
    window = Interval(whole.start, max(whole.start, min(whole.end, until)))
    sessions = await connection.execute(
        select(t.sessions).where(
            t.sessions.c.started < window.end, t.sessions.c.ended > window.start - SAVES_AT_MOST
        )
    )
    worked = await connection.execute(
        select(t.activity.c.user_id, t.activity.c.start, t.activity.c.seconds).where(
            t.activity.c.start < window.end, t.activity.c.start >= window.start - LONGEST
        )
    )
    return DayRecords(
        day=day,
        window=window,
        zone=store.zone,
        sessions=[session_of(row) for row in sessions.all()],
        activity=[
            (user_id, Interval(start, start + timedelta(seconds=seconds)))
            for user_id, start, seconds in worked.all()
        ],
        polls=await read_polls(connection, window),
        people=await connection.scalar(
            select(func.count()).where(
                t.users.c.first_seen < whole.end, t.users.c.deleted > whole.start
            )
        )
        or 0,
        members=await _members(connection, whole, groups),
        newcomers=await _newcomers(connection, whole),
        active_6_before=await _active(connection, day, 6),
        active_29_before=await _active(connection, day, 29),
    )


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


async def _active(connection: AsyncConnection, day: date, before: int) -> set[int]:
    query = (
        select(t.user_days.c.user_id)
        .where(
            t.user_days.c.day >= day - timedelta(days=before),
            t.user_days.c.day < day,
            t.user_days.c.was_active,
        )
        .distinct()
    )
    return set((await connection.scalars(query)).all())
