"""The rows of a day: written when the day is over, and counted live until then.

A day is rolled up some time after its end, once late reports have arrived. A later change to
an older day (by an import, or after an outage of the Hub) causes it to be rolled up again.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import bounds, day_of, days
from services.stats.records import HUB, GroupDay, ProfileDay, UserDay
from services.stats.store import tables as t
from services.stats.store.daily.past_members import PastMembers
from services.stats.store.daily.records import read_days, read_joined, read_members
from services.stats.store.daily.rollup import CountedDay
from services.stats.store.excluded import Excluded
from services.stats.store.mapping import group_day_row
from services.stats.store.store import EXCLUDE, EXCLUDE_FROM, Store
from services.stats.store.upsert import upsert

LATE = timedelta(hours=1)
"""How long after midnight a day is rolled up."""


async def roll_up_until(
    store: Store, now: datetime, *, go_on: Callable[[], bool] = lambda: True
) -> list[date]:
    """Roll up all days that are over and not rolled up yet; returns these days.

    Each day is one transaction, and after each, ``go_on`` may end this. If the days in the database
    are of another time zone than the store's, all days with raw records are rolled up again.
    """
    done = []
    while (day := await _next_day(store, now)) is not None:
        async with store.writing() as connection:
            meta = await store.read_meta(connection, lock=True)
            if meta.get("rolled_until") != day.isoformat():
                continue  # marked again in the meantime
            end = bounds(day, store.zone).end
            (records,) = [one async for one in read_days(store, connection, [day], end)]
            await replace_day(connection, CountedDay(records))
            await store.write_meta(
                connection,
                rolled_until=(day + timedelta(days=1)).isoformat(),
                timezone=store.zone.key,
            )
        done.append(day)
        if not go_on():
            break
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


async def replace_day(connection: AsyncConnection, counted: CountedDay) -> None:
    """Write the rows of a day in place of those that it has."""
    day, members = counted.records.day, counted.records.members
    for table in (t.user_days, t.group_days, t.profile_days):
        await connection.execute(delete(table).where(table.c.day == day))
    await upsert(connection, t.user_days, (row._asdict() for row in counted.users()))
    groups = [one for one in counted.groups() if one.group_id == HUB or _has_figures(one)]
    await upsert(connection, t.group_days, map(group_day_row, groups))
    profiles = [counted.profiles()]
    profiles += [
        counted.profiles(one.group_id, members.get(one.group_id, frozenset()))
        for one in groups
        if one.group_id != HUB
    ]
    await upsert(connection, t.profile_days, (row._asdict() for rows in profiles for row in rows))


def _has_figures(row: GroupDay) -> bool:
    """Whether the row says more than who was a member."""
    figures = (row.active_30, row.server_seconds, row.after_seconds, row.saved_seconds)
    return any(figures) or row.newcomers > 0 or row.lengths != "{}"


async def count_live_days(store: Store, connection: AsyncConnection) -> list[CountedDay]:
    """The days that are not rolled up yet, up to the last complete poll."""
    meta = await store.read_meta(connection)
    last = await connection.scalar(select(func.max(t.polls.c.time)).where(t.polls.c.whole))
    if "rolled_until" not in meta or last is None:
        return []
    wanted = list(days(date.fromisoformat(meta["rolled_until"]), day_of(last, store.zone)))
    records = read_days(store, connection, wanted, last, groups=())
    return [CountedDay(of_day) async for of_day in records]


class LiveDays:
    """The days not rolled up yet, counted once for each poll: a page needs them many times."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counting = asyncio.Lock()
        self.first_day = date.max
        """The first of these days as of the last call of ``read``. Of this day and later ones,
        the database may have rows that are out of date."""
        self._key: tuple[object, ...] = ()
        self._days: list[CountedDay] = []
        self._users: list[UserDay] = []
        self._groups: dict[int, list[GroupDay]] = {}
        self._excluded = Excluded()
        self._excluded_key: tuple[object, ...] = ()

    async def read(
        self, connection: AsyncConnection, last_poll: datetime, groups: Collection[int] = ()
    ) -> tuple[list[UserDay], list[GroupDay]]:
        """The rows of these days, for the hub and some groups. Do not modify them."""
        meta = await self._store.read_meta(connection)
        key = (last_poll, *(meta.get(name) for name in ("rolled_until", "edits", EXCLUDE)))
        async with self._counting:  # concurrent calls share the result
            if key != self._key:
                self._days = await count_live_days(self._store, connection)
                self.first_day = self._days[0].records.day if self._days else date.max
                self._users = [row for day in self._days for row in day.users()]
                self._groups = {HUB: [day.hub() for day in self._days]}
                self._key = key
            for group_id in groups:
                if group_id not in self._groups:
                    self._groups[group_id] = await self._count_group(connection, group_id)
            rows = [row for group_id in (HUB, *groups) for row in self._groups[group_id]]
            return self._users, rows

    async def excluded(self, connection: AsyncConnection) -> Excluded:
        """The users who are not counted. They change with polls, and when people are forgotten."""
        meta = await self._store.read_meta(connection)
        last = await connection.scalar(select(func.max(t.polls.c.time)))
        names = ("edits", EXCLUDE, EXCLUDE_FROM)
        key = (last, *(meta.get(name) for name in names))
        if key != self._excluded_key:
            self._excluded = await Excluded.read(connection, meta, self._store.zone)
            self._excluded_key = key
        return self._excluded

    async def profiles(
        self, connection: AsyncConnection, last_poll: datetime, group_id: int
    ) -> list[ProfileDay]:
        """The servers of the hub or a group on these days, by profile and image."""
        await self.read(connection, last_poll)
        rows = []
        for day in self._days:
            members = None
            if group_id != HUB:
                window = bounds(day.records.day, self._store.zone)
                found = await read_members(connection, window, (group_id,))
                members = found.get(group_id, set())
            joined = await self._joined(connection, day, group_id)
            rows += day.profiles(group_id, members, joined)
        return rows

    async def _count_group(self, connection: AsyncConnection, group_id: int) -> list[GroupDay]:
        rows = []
        meta = await self._store.read_meta(connection)
        excluded = await Excluded.read(connection, meta, self._store.zone)
        past = PastMembers(self._store.zone, excluded)
        if self._days:
            first, last = self._days[0].records.day, self._days[-1].records.day
            await past.read(connection, first, last, (group_id,))
        for day in self._days:
            past.add_to(day.records)
            window = bounds(day.records.day, self._store.zone)
            members = (await read_members(connection, window, (group_id,))).get(group_id, set())
            if members or group_id in day.records.members_29_before:
                joined = await self._joined(connection, day, group_id)
                rows.append(day.group(group_id, members, joined))
        return rows

    async def _joined(
        self, connection: AsyncConnection, day: CountedDay, group_id: int
    ) -> Mapping[int, datetime]:
        window = bounds(day.records.day, self._store.zone)
        found = await read_joined(
            connection, self._store.zone, day.earlier_sessions(), window, (group_id,)
        )
        return found.get(group_id, {})
