"""The users and days that a query covers, in one transaction."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import bounds, day_of, midnight, unbroken_since
from services.stats.intervals import Interval, union, within
from services.stats.query.access import Audience, Individual, Members, WholeHub
from services.stats.query.question import Span
from services.stats.query.spawns import SpawnRecords
from services.stats.records import HUB, GroupDay, Person, ProfileDay, UserDay
from services.stats.store import tables as t
from services.stats.store.daily.rows import LiveDays
from services.stats.store.excluded import Excluded
from services.stats.store.mapping import last_day, person_of
from services.stats.store.tables import FOREVER

Windows = dict[int, list[tuple[date, date]]]
"""By user id: the first and last days (both included) that may be shown."""


class Selection:
    """An audience and a range of days. Created by ``Queries``; call ``prepare`` before use.

    Nothing may be shown of a user and day for which ``visible`` returns False.
    """

    def __init__(
        self,
        connection: AsyncConnection,
        audience: Audience,
        span: Span | None,
        first: date,
        last: date,
        *,
        zone: ZoneInfo,
    ) -> None:
        self.connection = connection
        self.zone = zone
        self.audience = audience
        self.span = span
        self.first = max(first, span.first_day) if span else first
        self.last = min(last, span.last_day) if span else last
        """Both included; the range is empty if ``first`` is after ``last``."""
        self.excluded = Excluded()
        """The users who are not counted. Nobody, for a question about one user."""
        self.marked = Excluded()
        """The same users, where they are shown."""
        self.also_counted: list[UserDay] | None = None  # read on first use
        self.memberships: Windows = {}
        """Of a group: the windows of all its members, whether or not they are counted."""
        self.windows: Windows | None = None  # None: every user who counts, on every day
        self.group_id: int | None = HUB if isinstance(audience, WholeHub) else None
        self.live_users: Sequence[UserDay] = ()
        """Rows of days that are not rolled up yet."""
        self.live_groups: Sequence[GroupDay] = ()
        self.live_from = date.max
        """The first day that is not rolled up, or must be rolled up again."""
        self.user_days: list[UserDay] | None = None  # read on first use
        self.starts: SpawnRecords | None = None  # read on first use
        self._live: LiveDays | None = None

    @property
    def empty(self) -> bool:
        """Whether there are no records of these days."""
        return self.span is None or self.first > self.last

    @property
    def now(self) -> datetime:
        """The last poll; before the first one, the start of the selection."""
        return self.span.last_poll if self.span else midnight(self.first, self.zone)

    @property
    def window(self) -> Interval:
        """The range of days as an interval."""
        return Interval(midnight(self.first, self.zone), bounds(self.last, self.zone).end)

    async def prepare(self, live: LiveDays) -> None:
        """Look up the audience, and count the days that are not rolled up yet."""
        if self.span is None:
            return
        excluded = await live.excluded(self.connection)
        if isinstance(self.audience, Individual) or self.audience.uncounted:
            self.marked = excluded
        else:
            self.excluded = excluded
        self._live = live
        if isinstance(self.audience, Members):
            self.group_id = await self._group_id(self.audience.group)
            self.memberships = await self._memberships(t.groups.c.name == self.audience.group)
            self.windows = self.counted(self.memberships)
        elif isinstance(self.audience, Individual):
            self.windows = await self._windows_of(self.audience)
        groups = {self.group_id} - {None, HUB}
        self.live_users, self.live_groups = await live.read(
            self.connection, self.span.last_poll, [g for g in groups if g is not None]
        )
        self.live_from = live.first_day

    async def live_profiles(self, group_id: int) -> list[ProfileDay]:
        """The rows by profile and image of the days that are not rolled up yet."""
        if self._live is None or self.span is None:
            return []
        return await self._live.profiles(self.connection, self.span.last_poll, group_id)

    # -- users

    async def person(self, audience: Individual) -> Person | None:
        """The account that has the name now, else the one that had it last."""
        query = (
            select(t.users)
            .where(t.users.c.name == audience.name)
            .order_by(t.users.c.deleted.desc(), t.users.c.id.desc())
            .limit(1)
        )
        row = (await self.connection.execute(query)).first()
        person = None if row is None else person_of(row)
        if person is not None and audience.own and person.deleted is not None:
            return None
        return person

    async def _group_id(self, name: str) -> int | None:
        found = await self.connection.scalar(select(t.groups.c.id).where(t.groups.c.name == name))
        return None if found is None else int(found)

    async def _memberships(self, condition: Any) -> Windows:
        """The windows that these memberships open: the days on which they lasted."""
        query = (
            select(t.memberships.c.user_id, t.memberships.c.since, t.memberships.c.until)
            .join(t.groups)
            .where(condition)
        )
        windows: Windows = {}
        for row in await self.connection.execute(query):
            window = (day_of(row.since, self.zone), last_day(row.until, self.zone))
            windows.setdefault(row.user_id, []).append(window)
        return windows

    def counted(self, windows: Windows) -> Windows:
        """The windows without the days on which their users are not counted."""
        found = dict(windows)
        for user_id in found.keys() & set(self.excluded.users):
            parts = [self.excluded.counted(user_id, *days) for days in windows[user_id]]
            found[user_id] = [part for some in parts for part in some]
        return {user_id: days for user_id, days in found.items() if days}

    async def _windows_of(self, audience: Individual) -> Windows:
        person = await self.person(audience)
        if person is None:
            return {}
        if audience.groups is None:
            return {person.id: [(date.min, date.max)]}
        windows = await self._memberships(
            t.groups.c.name.in_(audience.groups) & (t.memberships.c.user_id == person.id)
        )
        return {person.id: windows[person.id]} if windows else {}

    # -- what may be shown of them

    def is_counted(self, user_id: int, first_seen: datetime, deleted: datetime) -> bool:
        """Whether a user of the hub counts on at least one of the days on which they existed."""
        if not self.is_partly_counted(user_id):
            return True
        return not self.excluded.covers_all(user_id, *self.existed(first_seen, deleted))

    def is_partly_counted(self, user_id: int) -> bool:
        """Whether a user is not counted on some day."""
        return user_id in self.excluded.always or user_id in self.excluded.members

    def existed(self, first_seen: datetime, deleted: datetime) -> tuple[date, date]:
        """The first and the last of the days on which there was an account."""
        last = self.last if deleted == FOREVER else min(self.last, day_of(deleted, self.zone))
        return max(self.first, day_of(first_seen, self.zone)), last

    def visible(self, user_id: int, day: date) -> bool:
        """Whether this day of this user may be shown."""
        if self.windows is None:
            return not self.excluded.covers(user_id, day)
        return any(first <= day <= last for first, last in self.windows.get(user_id, ()))

    def joined(self, user_id: int, day: date) -> datetime | None:
        """Since when this user may be shown without interruption; None: as long as they exist."""
        if self.windows is None:
            return None
        first = unbroken_since(self.windows.get(user_id, ()), day)
        return None if first == date.min else midnight(first, self.zone)

    def visible_parts(self, user_id: int, interval: Interval) -> list[Interval]:
        """The parts of the interval that may be shown of this user."""
        if self.windows is None and not self.is_partly_counted(user_id):
            return [interval]
        shown = []
        windows = self.windows
        if windows is None:
            windows = {user_id: self.excluded.counted(user_id, date.min, date.max)}
        for first, last in windows.get(user_id, ()):
            start = interval.start if first == date.min else midnight(first, self.zone)
            end = interval.end if last == date.max else bounds(last, self.zone).end
            if start <= interval.start and interval.end <= end:
                return [interval]
            shown += within([interval], Interval(start, end)) if start < end else []
        return union(shown)
