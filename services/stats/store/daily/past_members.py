"""Who was active as a member of a group in the days before another day."""

from collections.abc import Collection
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import bounds, day_of, midnight
from services.stats.store import tables as t
from services.stats.store.daily.rollup import DayRecords
from services.stats.store.excluded import Excluded
from services.stats.store.mapping import last_day

LONGEST = timedelta(days=29)


class PastMembers:
    """Memberships of the recent past. Activity before joining or after leaving does not count.

    The last active day of a user decides about a membership that has not ended. For one that has,
    the user's active days are read. Days on which a user is not counted do not count here either.
    """

    def __init__(self, zone: ZoneInfo, excluded: Excluded) -> None:
        self._zone = zone
        self._excluded = excluded
        self._memberships: list[tuple[int, int, date, date]] = []
        """Group id, user id, and the first and the last day."""
        self._active_days: dict[int, list[date]] = {}

    async def read(
        self,
        connection: AsyncConnection,
        first: date,
        last: date,
        groups: Collection[int] | None = None,
    ) -> None:
        """Read what concerns these days. ``groups`` None: all groups."""
        c = t.memberships.c
        query = select(c.group_id, c.user_id, c.since, c.until).where(
            c.since < bounds(last, self._zone).end,
            c.until > midnight(first - LONGEST, self._zone),
        )
        if groups is not None:
            query = query.where(c.group_id.in_(groups))
        left = set()
        for group_id, user_id, since, until in (await connection.execute(query)).all():
            ends = last_day(until, self._zone)
            self._memberships.append((group_id, user_id, day_of(since, self._zone), ends))
            if ends <= last:
                left.add(user_id)
        if left:
            await self._read_active_days(connection, left, first - LONGEST, last)

    async def _read_active_days(
        self, connection: AsyncConnection, users: set[int], first: date, last: date
    ) -> None:
        c = t.user_days.c
        query = select(c.user_id, c.day).where(c.day >= first, c.day < last, c.was_active)
        for user_id, day in (await connection.execute(query)).all():
            if user_id in users and not self._excluded.covers(user_id, day):
                self._active_days.setdefault(user_id, []).append(day)

    def add_to(self, records: DayRecords) -> None:
        """Note in the records of a day who was active before it as a member of which group."""
        six, all_days = timedelta(days=6), LONGEST
        records.members_6_before = {**records.members_6_before, **self._active(records, six)}
        records.members_29_before = {**records.members_29_before, **self._active(records, all_days)}

    def _active(self, records: DayRecords, length: timedelta) -> dict[int, set[int]]:
        """By group, the users who were active as members in the days before."""
        day, found = records.day, dict[int, set[int]]()
        for group_id, user_id, since, until in self._memberships:
            first = max(since, day - length)
            if until >= day:
                active = records.last_active.get(user_id, date.min) >= first
            else:
                active = any(first <= one <= until for one in self._active_days.get(user_id, ()))
            if active and first < day:
                found.setdefault(group_id, set()).add(user_id)
        return found
