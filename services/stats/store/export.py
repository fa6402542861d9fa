"""The rows of an export: people, groups, profiles and images by name, times without placeholders.

Rows come in batches, so memory does not grow with the database.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, select

from services.stats.intervals import Interval
from services.stats.records import LONGEST
from services.stats.store import tables as t
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER

BATCH = 5000

Rows = Sequence[Mapping[str, Any]]


class ExportTable(StrEnum):
    """The tables that can be exported, each to its own file."""

    SESSIONS = "sessions"
    ACTIVITY = "activity"
    USER_DAYS = "user_days"
    MEMBERSHIPS = "memberships"
    POLLS = "polls"


async def read_rows(store: Store, table: ExportTable, window: Interval) -> AsyncIterator[Rows]:
    """The rows in the window, in batches. What has not ended yet ends at None."""
    async with (
        store.reading() as connection,
        connection.stream(_query(store, table, window)) as rows,
    ):
        async for batch in rows.partitions(BATCH):
            yield [_plain(dict(row._mapping)) for row in batch]


def _query(store: Store, table: ExportTable, window: Interval) -> Select[Any]:
    s, a, d, m, p = t.sessions.c, t.activity.c, t.user_days.c, t.memberships.c, t.polls.c
    user = t.users.c.name.label("user")
    first, last = (moment.astimezone(store.zone).date() for moment in window)
    if table is ExportTable.SESSIONS:
        profile, image = t.profiles.c.name.label("profile"), t.images.c.name.label("image")
        return (
            select(user, s.server, profile, s.started, s.last_activity, s.ended, image)
            .select_from(t.sessions.join(t.users).outerjoin(t.profiles).outerjoin(t.images))
            .where(s.started < window.end, s.ended > window.start)
            .order_by(s.id)
        )
    if table is ExportTable.ACTIVITY:
        return (
            select(user, a.start, a.seconds)
            .select_from(t.activity.join(t.users))
            .where(a.start < window.end, a.start >= window.start - LONGEST)
            .order_by(a.start, a.user_id)
        )
    if table is ExportTable.USER_DAYS:
        return (
            select(d.day, user, d.active_seconds, d.idle_seconds, d.sessions)
            .select_from(t.user_days.join(t.users))
            .where(d.day >= first, d.day <= last)
            .order_by(d.day, d.user_id)
        )
    if table is ExportTable.MEMBERSHIPS:
        return (
            select(t.groups.c.name.label("group"), user, m.since, m.until)
            .select_from(t.memberships.join(t.users).join(t.groups))
            .where(m.since < window.end, m.until > window.start)
            .order_by(m.group_id, m.user_id, m.since)
        )
    return select(t.polls).where(p.time >= window.start, p.time < window.end).order_by(p.time)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    if "seconds" in row:
        row["end"] = row["start"] + timedelta(seconds=row.pop("seconds"))
    for key in ("ended", "until"):
        if row.get(key) == FOREVER:
            row[key] = None
    return row
