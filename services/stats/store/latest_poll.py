"""Running servers and active users as of the latest poll, for the metrics."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import day_of
from services.stats.query.servers import forecast
from services.stats.query.servers.forecast import Expected
from services.stats.records import HUB, LONGEST
from services.stats.store import tables as t
from services.stats.store.mapping import group_day_of
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER

PERIODS = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""Hours by label, the same as in the Hub's metric ``active_users``."""


@dataclass(frozen=True)
class LatestCounts:
    """Counts by group name. The empty name stands for the hub."""

    running: dict[str, int] = field(default_factory=dict)
    active: dict[tuple[str, str], int] = field(default_factory=dict)
    """By period and group."""
    running_by_user: dict[str, int] = field(default_factory=dict)
    tomorrow: Expected | None = None
    """The peak of concurrent servers to expect tomorrow."""


async def read_latest_counts(
    store: Store, now: datetime, *, groups: int = 0, per_user: bool = False
) -> LatestCounts:
    """The counts as of ``now``, for the hub and its largest ``groups`` groups."""
    async with store.reading() as connection:
        counts = LatestCounts(tomorrow=await _expected_tomorrow(store, connection, now))
        largest = await _largest(connection, groups)
        running = t.sessions.c.ended == FOREVER
        counts.running[""] = (
            await connection.scalar(select(func.count()).select_from(t.sessions).where(running))
            or 0
        )
        counts.running.update(dict.fromkeys(largest.values(), 0))
        for group_id, number in await _running_by_group(connection, largest):
            counts.running[largest[group_id]] = number
        for period, hours in PERIODS.items():
            await _active(store, connection, counts, period, now - timedelta(hours=hours), largest)
        if per_user:
            query = (
                select(t.users.c.name, func.count().label("servers"))
                .join(t.sessions)
                .where(running)
                .group_by(t.users.c.name)
            )
            for row in await connection.execute(query):
                counts.running_by_user[row.name] = row.servers
    return counts


async def _expected_tomorrow(store: Store, connection: AsyncConnection, now: datetime) -> Expected:
    """From the days that are rolled up: those since are not a week ago."""
    today = day_of(now, store.zone)
    first, last = forecast.days_needed(today)
    c = t.group_days.c
    query = (
        select(t.group_days).where(c.group_id == HUB, c.day >= first, c.day <= last).order_by(c.day)
    )
    rows = [group_day_of(row) for row in await connection.execute(query)]
    peaks = forecast.complete_peaks(rows, now, store.zone)
    return forecast.expect(today + timedelta(days=1), peaks)


async def _largest(connection: AsyncConnection, number: int) -> dict[int, str]:
    if number <= 0:
        return {}
    size = func.count(t.memberships.c.user_id)
    query: Select[tuple[int, str]] = (
        select(t.groups.c.id, t.groups.c.name)
        .join(t.memberships)
        .where(t.memberships.c.until == FOREVER)
        .group_by(t.groups.c.id, t.groups.c.name)
        .order_by(size.desc(), t.groups.c.name)
        .limit(number)
    )
    return {row.id: row.name for row in await connection.execute(query)}


async def _active(
    store: Store,
    connection: AsyncConnection,
    counts: LatestCounts,
    period: str,
    since: datetime,
    largest: dict[int, str],
) -> None:
    """Count active users since then, by days where the detailed records have been pruned."""
    start, user = t.activity.c.start, t.activity.c.user_id
    condition: ColumnElement[bool] = (start >= since) & (t.activity.c.seconds > 0)
    reaching = select(user, t.activity.c.seconds, start).where(
        start >= since - LONGEST, start < since
    )
    before = {
        row.user_id
        for row in await connection.execute(reaching)
        if row.start + timedelta(seconds=row.seconds) > since
    }
    meta = await store.read_meta(connection)
    if meta.get("pruned_before", "") > day_of(since, store.zone).isoformat():
        user = t.user_days.c.user_id
        condition = (t.user_days.c.day >= day_of(since, store.zone)) & t.user_days.c.was_active
    active = set(await connection.scalars(select(user).where(condition).distinct())) | before
    # Starting a server is work. Other activity without a length is a page of the Hub.
    started = select(t.sessions.c.user_id).where(t.sessions.c.started >= since).distinct()
    active |= set(await connection.scalars(started))
    counts.active[period, ""] = len(active)
    if not largest:
        return
    query = select(t.memberships.c.group_id, t.memberships.c.user_id).where(
        t.memberships.c.until == FOREVER, t.memberships.c.group_id.in_(list(largest))
    )
    counts.active.update({(period, name): 0 for name in largest.values()})
    for row in await connection.execute(query):
        counts.active[period, largest[row.group_id]] += row.user_id in active


async def _running_by_group(
    connection: AsyncConnection, largest: dict[int, str]
) -> list[tuple[int, int]]:
    if not largest:
        return []
    group = t.memberships.c.group_id
    query = (
        select(group, func.count().label("servers"))
        .select_from(t.memberships)
        .join(t.sessions, t.sessions.c.user_id == t.memberships.c.user_id)
        .where(
            t.sessions.c.ended == FOREVER,
            t.memberships.c.until == FOREVER,
            group.in_(list(largest)),
        )
        .group_by(group)
    )
    return [(row.group_id, row.servers) for row in await connection.execute(query)]
