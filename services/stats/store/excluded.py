"""Who is not counted, and on which days: read from the database for each question.

Users are excluded by name or as administrators (``users.excluded``) on all days, and as members of
an excluded group on the days of their membership. Days before ``since`` keep what was counted.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import day_of
from services.stats.records import UserDay
from services.stats.settings.exclusion import NOBODY, Exclusion
from services.stats.store import tables as t
from services.stats.store.store import ENDED, EXCLUDE, EXCLUDE_FROM, Store
from services.stats.store.tables import FOREVER
from services.stats.store.upsert import batches

IDS_AT_ONCE = 500

UNMATCHED = "exclude_unmatched"
"""In ``meta``: the patterns that match nobody, with suggestions."""

SUGGESTION = "; did you mean"
"""Between such a pattern and the suggestion."""

Days = tuple[date, date]
"""The first and the last day, both included."""


@dataclass(frozen=True)
class Excluded:
    """The users who are not counted. Without any, it is false."""

    exclusion: Exclusion = NOBODY
    since: date = date.min
    """The first day on which the exclusion holds."""
    groups: tuple[int, ...] = ()
    """The ids of the excluded groups."""
    always: frozenset[int] = frozenset()
    members: Mapping[int, Sequence[Days]] = field(default_factory=dict)
    """Members of excluded groups, with the days of their memberships."""

    @classmethod
    async def read(
        cls, connection: AsyncConnection, meta: Mapping[str, str], zone: ZoneInfo
    ) -> "Excluded":
        """Who is excluded. ``meta``: the facts about the database."""
        exclusion = Exclusion.of(meta.get(EXCLUDE))
        since = meta.get(EXCLUDE_FROM)
        first = date.fromisoformat(since) if since else date.min
        if not exclusion:
            return cls(exclusion, first)
        always = await connection.scalars(select(t.users.c.id).where(t.users.c.excluded == true()))
        groups = await _groups(connection, exclusion)
        members: dict[int, list[Days]] = {}
        if groups:
            c = t.memberships.c
            query = select(c.user_id, c.since, c.until).where(c.group_id.in_(groups))
            for row in await connection.execute(query):
                until = date.max if row.until == FOREVER else day_of(row.until, zone)
                members.setdefault(row.user_id, []).append((day_of(row.since, zone), until))
        return cls(exclusion, first, tuple(groups), frozenset(always.all()), members)

    def __bool__(self) -> bool:
        return bool(self.always or self.members)

    @property
    def users(self) -> Iterable[int]:
        """The ids of all users who are excluded on some day."""
        return self.always | self.members.keys()

    def covers(self, user_id: int, day: date) -> bool:
        """Whether the user is not counted on that day."""
        if day < self.since:
            return False
        if user_id in self.always:
            return True
        return any(first <= day <= last for first, last in self.members.get(user_id, ()))

    def covers_all(self, user_id: int, first: date, last: date) -> bool:
        """Whether the user is counted on none of the days."""
        return not self.counted(user_id, first, last)

    def counted(self, user_id: int, first: date, last: date) -> list[Days]:
        """The parts of these days on which the user is counted."""
        if not (user_id in self.always or user_id in self.members):
            return [(first, last)] if first <= last else []
        hidden = [(date.min, date.max)] if user_id in self.always else self.members[user_id]
        one = timedelta(days=1)
        parts: list[Days] = []
        start = first
        for begin, end in sorted((max(begin, self.since), end) for begin, end in hidden):
            if end < begin or end < start:
                continue
            if start < begin:
                parts.append((start, min(begin - one, last)))
            if end >= last:
                return [part for part in parts if part[0] <= part[1]]
            start = end + one
        return [part for part in [*parts, (start, last)] if part[0] <= part[1]]

    def on(self, day: date) -> frozenset[int]:
        """The users who are not counted on that day."""
        if day < self.since:
            return frozenset()
        members = (user_id for user_id in self.members if self.covers(user_id, day))
        return self.always.union(members)

    def overlaps(self, user_id: int, first: date, last: date) -> bool:
        """Whether the user is not counted on at least one of the days."""
        return first <= last and self.counted(user_id, first, last) != [(first, last)]

    def edges(self) -> set[date]:
        """The days from which somebody counts, or no longer counts, if not from the first day."""
        days = {self.since} if self else set()
        for first, last in {one for windows in self.members.values() for one in windows}:
            days.add(first)
            if last < date.max:
                days.add(last + timedelta(days=1))
        return days - {date.min}

    # -- in SQL

    def condition(self, columns: Any) -> ColumnElement[bool]:
        """The rows of ``user_days`` that count, apart from those that ``also_counted`` returns."""
        if not self:
            return true()
        user = columns.user_id
        excluded = select(t.users.c.id).where(t.users.c.excluded == true())
        counted = user.not_in(excluded)
        if self.groups:
            counted = and_(counted, user.not_in(self._members()))
        return counted if self.since == date.min else or_(columns.day < self.since, counted)

    async def also_counted(
        self, connection: AsyncConnection, first: date, last: date
    ) -> list[UserDay]:
        """The rows of members of excluded groups from the days before or after."""
        first = max(first, self.since)
        partly = (i for i in self.members if not self.covers_all(i, first, last))
        c = t.user_days.c
        found = []
        for users in batches(sorted(partly), IDS_AT_ONCE):
            query = select(t.user_days).where(c.day >= first, c.day <= last, c.user_id.in_(users))
            rows = (UserDay(*row) for row in await connection.execute(query))
            found += [row for row in rows if not self.covers(row.user_id, row.day)]
        return found

    def _members(self) -> Any:
        return select(t.memberships.c.user_id).where(t.memberships.c.group_id.in_(self.groups))


async def read_unmatched(store: Store) -> list[str]:
    """The patterns that match nobody, as of the last poll of all users."""
    async with store.reading() as connection:
        return unmatched_of(await store.read_meta(connection))


def unmatched_of(meta: Mapping[str, str]) -> list[str]:
    """The same, from the facts about the database."""
    found: list[str] = json.loads(meta.get(UNMATCHED) or "[]")
    return found


async def keep_unmatched(store: Store, exclusion: Exclusion, matched: Iterable[str]) -> list[str]:
    """Find the patterns that match nobody, and keep the list for the pages.

    ``matched``: globs that are known to match. Former users and groups count, too.
    """
    async with store.writing() as connection:
        users: Sequence[str] = ()
        groups: Sequence[str] = ()
        if exclusion:
            users = (await connection.scalars(select(t.users.c.name))).all()
            rows = (await connection.scalars(select(t.groups.c.name))).all()
            groups = [name.partition(ENDED)[0] for name in rows]
        found = exclusion.unmatched(users, groups, skip=matched)
        if found != unmatched_of(await store.read_meta(connection)):
            await store.write_meta(connection, **{UNMATCHED: json.dumps(found, ensure_ascii=False)})
    return found


async def forget_suggestions(
    store: Store, connection: AsyncConnection, meta: Mapping[str, str], name: str
) -> None:
    """Remove a user's name from the suggestions for patterns that match nobody."""
    kept = unmatched_of(meta)
    found = [
        pattern if f'"{name}"' in hint else pattern + clause + hint
        for pattern, clause, hint in (one.partition(SUGGESTION) for one in kept)
    ]
    if found != kept:
        await store.write_meta(connection, **{UNMATCHED: json.dumps(found, ensure_ascii=False)})


async def _groups(connection: AsyncConnection, exclusion: Exclusion) -> list[int]:
    """The ids of the excluded groups, and of the earlier groups of the same names."""
    if not exclusion.groups:
        return []
    rows = await connection.execute(select(t.groups.c.id, t.groups.c.name))
    return [
        row.id
        for row in rows
        if exclusion.matches_group(row.name)
        or exclusion.matches_group(row.name.partition(ENDED)[0])
    ]
