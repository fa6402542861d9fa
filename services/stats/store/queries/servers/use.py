"""Servers by profile and image."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Row, Select, Table, func, select

from services.stats.days import bounds
from services.stats.intervals import Interval, near, union, within
from services.stats.query.access import Individual, WholeHub
from services.stats.query.servers.choices import Choice, ServerUse
from services.stats.records import HUB, UNKNOWN, ProfileDay
from services.stats.store import tables as t
from services.stats.store.daily.by_profile import by_choice, rows
from services.stats.store.daily.rollup import is_work
from services.stats.store.queries.observation import hub_days, seen_of
from services.stats.store.queries.selection import Selection
from services.stats.store.queries.servers.audience import anybody, of_audience
from services.stats.store.queries.sessions import ByDay, activity_of, sessions_of
from services.stats.store.tables import FOREVER
from services.stats.store.upsert import batches

IDS_AT_ONCE = 500


async def server_use(selection: Selection, profiles_from: date | None) -> ServerUse:
    """The servers by profile and image. ``profiles_from``: earlier days do not know them."""
    span = selection.span
    if span is None or selection.empty or not anybody(selection):
        return ServerUse()
    individual = isinstance(selection.audience, Individual)
    known_from = span.timelines_from if individual else profiles_from
    users = None
    if selection.first >= span.timelines_from:
        users = await _users(selection)
    return ServerUse(
        days=await (_days_of_user(selection) if individual else _days(selection)),
        users=users,
        running=await _running_by_choice(selection),
        profiles={row.id: row.name for row in await selection.connection.execute(_all(t.profiles))},
        images={row.id: row.name for row in await selection.connection.execute(_all(t.images))},
        known_from=known_from if known_from is not None and selection.first < known_from else None,
        users_from=span.timelines_from if users is None else None,
    )


def _all(table: Table) -> Select[tuple[int, str]]:
    return select(table.c.id, table.c.name)


async def _days(selection: Selection) -> list[ProfileDay]:
    """The sums of the days of the hub or a group: as they were rolled up, and of those since."""
    group_id = HUB if selection.group_id is None else selection.group_id
    if selection.span is None:
        return []
    live = [row.day for row in selection.live_groups if row.group_id == HUB]
    c = t.profile_days.c
    sums = (c.sessions, c.server_seconds, c.observed_seconds, c.active_seconds)
    query = (
        select(
            c.profile_id,
            c.image_id,
            *(func.sum(column) for column in (*sums, c.ended, c.ended_seconds)),
        )
        .where(c.day >= selection.first, c.day <= selection.last, c.group_id == group_id)
        .group_by(c.profile_id, c.image_id)
    )
    if live:
        query = query.where(c.day < min(live))
    found = [
        ProfileDay(selection.first, group_id, *map(int, row))
        for row in await selection.connection.execute(query)
    ]
    counted = await selection.live_profiles(group_id)
    return found + [row for row in counted if selection.first <= row.day <= selection.last]


async def _days_of_user(selection: Selection) -> list[ProfileDay]:
    """The days of one user, from the raw records."""
    if selection.span is None:
        return []
    (user_id,) = selection.windows or {0: []}
    sessions = await sessions_of(selection)
    records = ByDay(sessions, union(await activity_of(selection, user_id)))
    seen = await seen_of(selection)
    found: list[ProfileDay] = []
    for hub in await hub_days(selection):
        known = hub.servers_known and hub.day >= selection.span.timelines_from
        if not known or not selection.visible(user_id, hub.day):
            continue
        window = bounds(hub.day, selection.zone)
        window = Interval(window.start, max(window.start, min(window.end, selection.now)))
        own, activity = records.of(window)
        active = [one for one in within(activity, window) if is_work(one, own)]
        day = own, active, window, near(seen, window)
        found += rows(hub.day, HUB, by_choice(*day, selection.joined(user_id, hub.day)))
    return found


async def _users(selection: Selection) -> dict[Choice, frozenset[int]]:
    """Who had a server in the selected days, by what they chose."""
    s, window = t.sessions.c, selection.window
    ran = (s.started < window.end) & (s.ended > window.start)
    query = select(s.user_id, s.profile_id, s.image_id).where(ran).distinct()
    partly = _partly_visible(selection)
    found: dict[Choice, set[int]] = {}
    for row in await selection.connection.execute(of_audience(selection, query)):
        if row.user_id not in partly:
            found.setdefault(_choice(row), set()).add(row.user_id)
    for ids in batches(sorted(partly), IDS_AT_ONCE):
        some = select(t.sessions).where(ran, s.user_id.in_(ids))
        for row in await selection.connection.execute(some):
            run = Interval(max(row.started, window.start), min(row.ended, window.end))
            if selection.visible_parts(row.user_id, run):
                found.setdefault(_choice(row), set()).add(row.user_id)
    return {choice: frozenset(users) for choice, users in found.items()}


def _partly_visible(selection: Selection) -> set[int]:
    """The users who may be shown, or count, on some of the days only."""
    if selection.windows is None:
        return set(selection.excluded.users)
    return {
        user_id
        for user_id, windows in (selection.windows or {}).items()
        if not any(first <= selection.first and selection.last <= last for first, last in windows)
    }


async def _running_by_choice(selection: Selection) -> dict[Choice, int]:
    s = t.sessions.c
    query = select(s.user_id, s.profile_id, s.image_id).where(s.ended == FOREVER)
    today = selection.span.last_day if selection.span else selection.last
    return _counted(
        _choice(row)
        for row in await selection.connection.execute(of_audience(selection, query))
        if isinstance(selection.audience, WholeHub) or selection.visible(row.user_id, today)
    )


def _counted(choices: Iterable[Choice]) -> dict[Choice, int]:
    found: dict[Choice, int] = {}
    for choice in choices:
        found[choice] = found.get(choice, 0) + 1
    return found


def _choice(row: Row[Any]) -> Choice:
    return row.profile_id or UNKNOWN, row.image_id or UNKNOWN
