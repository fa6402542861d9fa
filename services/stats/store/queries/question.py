"""One question to the database: for one audience and range of days, in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import Period, bounds, day_of, days, midnight
from services.stats.intervals import Interval, union, within
from services.stats.query.access import Audience, Everybody, Individual, Members
from services.stats.query.answers import Span
from services.stats.records import Person, Poll, Session
from services.stats.store import tables as t
from services.stats.store.daily_rows import LiveDays
from services.stats.store.mapping import person_of
from services.stats.store.rollup import HUB, DayRecords, GroupDay, UserDay, roll_up
from services.stats.store.tables import FOREVER

Windows = dict[int, list[tuple[date, date]]]
"""By user id: first and last days (both included) that may be seen."""


class Question:
    """Made and prepared by ``Queries``; ``people`` and ``raw`` answer from it.

    Nothing may be shown of a person and day for which ``visible`` is False.
    """

    def __init__(
        self,
        live: LiveDays,
        zone: ZoneInfo,
        connection: AsyncConnection,
        audience: Audience,
        span: Span | None,
        first: date,
        last: date,
    ) -> None:
        self._live, self.zone = live, zone
        self.connection = connection
        self.audience = audience
        self.span = span
        self.first = max(first, span.first_day) if span else first
        self.last = min(last, span.last_day) if span else last
        """Both included; there may be no day between them."""
        self.windows: Windows | None = None  # None: everybody, always
        self.group_id: int | None = HUB if isinstance(audience, Everybody) else None
        self.live_users: list[UserDay] = []
        self.live_groups: list[GroupDay] = []
        self.user_days: list[UserDay] | None = None  # read when first asked for

    async def prepare(self) -> None:
        """Find out whom the audience is, and count the days that are not rolled up."""
        if self.span is None:
            return
        if isinstance(self.audience, Members):
            self.group_id = await self._group_id(self.audience.group)
            self.windows = await self._windows(t.groups.c.name == self.audience.group)
        elif isinstance(self.audience, Individual):
            self.windows = await self._windows_of(self.audience)
        groups = {self.group_id} - {None, HUB}
        self.live_users, self.live_groups = await self._live.read(
            self.connection, self.span.last_poll, [g for g in groups if g is not None]
        )

    # -- whom it is about

    async def _group_id(self, name: str) -> int | None:
        found = await self.connection.scalar(select(t.groups.c.id).where(t.groups.c.name == name))
        return None if found is None else int(found)

    async def _windows(self, condition: Any) -> Windows:
        """When whom of these memberships may be seen: on days they were in the group."""
        query = (
            select(t.memberships.c.user_id, t.memberships.c.since, t.memberships.c.until)
            .join(t.groups)
            .where(condition)
        )
        windows: Windows = {}
        for row in await self.connection.execute(query):
            until = date.max if row.until == FOREVER else day_of(row.until, self.zone)
            windows.setdefault(row.user_id, []).append((day_of(row.since, self.zone), until))
        return windows

    async def person(self, audience: Individual) -> Person | None:
        """Who is meant: who has the name now, else who had it last."""
        query = (
            select(t.users)
            .where(t.users.c.name == audience.name)
            .order_by(t.users.c.deleted.desc(), t.users.c.id.desc())
            .limit(1)
        )
        row = (await self.connection.execute(query)).first()
        person = None if row is None else person_of(row)
        if person is not None and audience.themselves and person.deleted is not None:
            return None
        return person

    async def _windows_of(self, audience: Individual) -> Windows:
        person = await self.person(audience)
        if person is None:
            return {}
        if audience.groups is None:
            return {person.id: [(date.min, date.max)]}
        windows = await self._windows(
            t.groups.c.name.in_(audience.groups) & (t.memberships.c.user_id == person.id)
        )
        return {person.id: windows[person.id]} if windows else {}

    def visible(self, user_id: int, day: date) -> bool:
        """Whether that person's day may be shown."""
        if self.windows is None:
            return True
        return any(first <= day <= last for first, last in self.windows.get(user_id, ()))

    def visible_parts(self, user_id: int, interval: Interval) -> list[Interval]:
        """What of the interval may be shown of that person."""
        if self.windows is None:
            return [interval]
        shown = []
        for first, last in self.windows.get(user_id, ()):
            start = interval.start if first == date.min else midnight(first, self.zone)
            end = interval.end if last == date.max else bounds(last, self.zone).end
            if start <= interval.start and interval.end <= end:
                return [interval]
            shown += within([interval], Interval(start, end)) if start < end else []
        return union(shown)

    # -- days

    async def days(self) -> list[GroupDay]:
        """The rows of the hub or a group."""
        if self.span is None or (self.group_id is None and not self.windows):
            return []
        hub = await self.hub_days()
        if self.group_id == HUB:
            return hub
        mine = {row.day: row for row in await self._rows_of(self.group_id)}
        return [mine.get(row.day) or self._nothing(row) for row in hub]

    async def hub_days(self) -> list[GroupDay]:
        """The rows of the whole hub, whomever it is asked for: they tell when it was observed."""
        return await self._rows_of(HUB)

    async def _rows_of(self, group_id: int | None) -> list[GroupDay]:
        query = (
            select(t.group_days)
            .where(
                t.group_days.c.group_id == group_id,
                t.group_days.c.day >= self.first,
                t.group_days.c.day <= self.last,
            )
            .order_by(t.group_days.c.day)
        )
        rows = {row.day: GroupDay(*row) for row in await self.connection.execute(query)}
        for live in self.live_groups:
            if live.group_id == group_id and self.first <= live.day <= self.last:
                rows[live.day] = live
        return [rows[day] for day in sorted(rows)]

    def _nothing(self, hub: GroupDay) -> GroupDay:
        """A day on which the group did nothing, or nobody was looking."""
        members = sum(self.visible(user_id, hub.day) for user_id in self.windows or ())
        looked = hub.observed_seconds > 0
        return GroupDay(
            day=hub.day,
            group_id=self.group_id or HUB,
            members=members,
            newcomers=0,
            active=0,
            active_7=0,
            active_30=0,
            active_seconds=0,
            idle_seconds=0,
            server_seconds=0,
            after_seconds=0,
            saved_seconds=0,
            sessions=0,
            observed_seconds=hub.observed_seconds,
            mean_running=0.0 if looked else None,
            peak=0 if looked else None,
            peak_at=None,
            lengths="{}",
            hours="",
        )

    async def days_of_person(
        self, sessions: Sequence[Session], intervals: Sequence[Interval]
    ) -> list[GroupDay]:
        """The same for one person, from the raw records, which are few."""
        (user_id,) = self.windows or {0: []}
        work = [(user_id, interval) for interval in intervals]
        rows = []
        recent: list[date] = []
        for hub in await self.hub_days():
            window = bounds(hub.day, self.zone)
            if self.span and self.span.last_poll < window.end:
                window = Interval(window.start, max(window.start, self.span.last_poll))
            shown = self.visible(user_id, hub.day)
            _, (row, *_) = roll_up(
                DayRecords(
                    day=hub.day,
                    window=window,
                    zone=self.zone,
                    sessions=sessions if shown else (),
                    activity=work if shown else (),
                    polls=_looking(window) if hub.observed_seconds else (),
                    people=1,
                )
            )
            recent += [hub.day] * row.active
            rows.append(
                row._replace(
                    observed_seconds=hub.observed_seconds,
                    active_7=int(any(hub.day - day < timedelta(days=7) for day in recent)),
                    active_30=int(any(hub.day - day < timedelta(days=30) for day in recent)),
                )
            )
        return rows

    def lengths_of_days(self, period: Period) -> Mapping[date, float]:
        """Seconds of each day of the period, until now; 23 and 25 hours where clocks change."""
        lengths = {}
        now = self.span.last_poll if self.span else midnight(period.first, self.zone)
        for day in days(period.first, period.last):
            window = bounds(day, self.zone)
            lengths[day] = max(0.0, (min(window.end, now) - window.start).total_seconds())
        return lengths


def _looking(window: Interval) -> list[Poll]:
    """Polls that make the window one that was observed."""
    seconds = int(window.seconds) or 1
    return [Poll(moment, seconds, 0, whole=True, full=False) for moment in window]
