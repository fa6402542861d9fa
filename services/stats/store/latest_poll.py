"""Running servers and active users as of the latest poll, for the metrics."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import day_of
from services.stats.intervals import Interval
from services.stats.query.servers import forecast
from services.stats.query.servers.forecast import Expected
from services.stats.records import HUB, LONGEST
from services.stats.store import tables as t
from services.stats.store.excluded import Excluded
from services.stats.store.mapping import group_day_of
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER
from services.stats.store.upsert import batches

PERIODS = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""Hours by label, the same as in the Hub's metric ``active_users``."""


@dataclass(frozen=True)
class LatestCounts:
    """Counts by group name. The empty name stands for the hub.

    Users who are not counted are left out, except that the hub's running servers are all of them.
    """

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
        meta = await store.read_meta(connection)
        excluded = await Excluded.read(connection, meta, store.zone)
        hidden = excluded.on(day_of(now, store.zone))
        largest = await _largest(connection, groups)
        running = t.sessions.c.ended == FOREVER
        counts.running[""] = (
            await connection.scalar(select(func.count()).select_from(t.sessions).where(running))
            or 0
        )
        counts.running.update(dict.fromkeys(largest.values(), 0))
        for group_id, user_id in await _running_by_group(connection, largest):
            counts.running[largest[group_id]] += user_id not in hidden
        memberships = await _members(connection, largest)
        for period, hours in PERIODS.items():
            since = now - timedelta(hours=hours)
            active = await _active(store, connection, since, meta)
            active = await _counted(store, connection, active, excluded, Interval(since, now))
            counts.active[period, ""] = len(active)
            listed = active - hidden
            counts.active.update({(period, name): 0 for name in largest.values()})
            for group_id, user_id in memberships:
                counts.active[period, largest[group_id]] += user_id in listed
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
    store: Store, connection: AsyncConnection, since: datetime, meta: Mapping[str, str]
) -> set[int]:
    """The users active since then, by days where the detailed records have been pruned."""
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
    if meta.get("pruned_before", "") > day_of(since, store.zone).isoformat():
        user = t.user_days.c.user_id
        condition = (t.user_days.c.day >= day_of(since, store.zone)) & t.user_days.c.was_active
    active = set(await connection.scalars(select(user).where(condition).distinct())) | before
    # Starting a server is work. Other activity without a length is a page of the Hub.
    started = select(t.sessions.c.user_id).where(t.sessions.c.started >= since).distinct()
    return active | set(await connection.scalars(started))


async def _counted(
    store: Store,
    connection: AsyncConnection,
    active: set[int],
    excluded: Excluded,
    window: Interval,
) -> set[int]:
    """Those of the active users who count. Members of excluded groups: active on other days."""
    first, last = day_of(window.start, store.zone), day_of(window.end, store.zone)
    concerned = active.intersection(excluded.users)
    found = active - {one for one in concerned if excluded.overlaps(one, first, last)}
    partly = sorted(one for one in concerned - found if not excluded.covers_all(one, first, last))
    for some in batches(partly, 500):
        a, s = t.activity.c, t.sessions.c
        worked = select(a.user_id, a.start).where(
            a.start >= window.start, a.seconds > 0, a.user_id.in_(some)
        )
        started = select(s.user_id, s.started).where(s.started >= window.start, s.user_id.in_(some))
        for query in (worked, started):
            for user_id, moment in await connection.execute(query):
                if not excluded.covers(user_id, day_of(moment, store.zone)):
                    found.add(user_id)
    return found


async def _members(connection: AsyncConnection, groups: Collection[int]) -> list[tuple[int, int]]:
    """Group id and user id of each member."""
    if not groups:
        return []
    c = t.memberships.c
    query = select(c.group_id, c.user_id).where(c.until == FOREVER, c.group_id.in_(list(groups)))
    return [(row.group_id, row.user_id) for row in await connection.execute(query)]


async def _running_by_group(
    connection: AsyncConnection, largest: dict[int, str]
) -> list[tuple[int, int]]:
    """Group id and user id for each running server."""
    if not largest:
        return []
    group = t.memberships.c.group_id
    query = (
        select(group, t.memberships.c.user_id)
        .select_from(t.memberships)
        .join(t.sessions, t.sessions.c.user_id == t.memberships.c.user_id)
        .where(
            t.sessions.c.ended == FOREVER,
            t.memberships.c.until == FOREVER,
            group.in_(list(largest)),
        )
    )
    return [(row.group_id, row.user_id) for row in await connection.execute(query)]
