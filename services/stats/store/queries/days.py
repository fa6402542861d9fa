"""The daily rows of the hub, a group or a user."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select

from services.stats.days import Period, bounds
from services.stats.intervals import Interval
from services.stats.query.access import Individual
from services.stats.records import HUB, NO_HOURS, GroupDay, UserDay
from services.stats.store import tables as t
from services.stats.store.daily.records import since_when
from services.stats.store.daily.rollup import SAVES_AT_MOST, DayRecords, roll_up
from services.stats.store.queries.observation import hub_days, seen_of, stored_days
from services.stats.store.queries.selection import Selection
from services.stats.store.queries.sessions import ByDay, activity_of, sessions_of
from services.stats.store.queries.spawns import starts


async def days(selection: Selection) -> list[GroupDay]:
    """A row for each day with records, oldest first."""
    if selection.span is None:
        return []
    if isinstance(selection.audience, Individual):
        return await _days_of_user(selection) if selection.windows else []
    if selection.group_id is None and not selection.windows:
        return []
    hub = await hub_days(selection)
    if selection.group_id == HUB:
        return [
            row._replace(starts=await starts(selection, [row], Period(row.day, row.day)))
            for row in hub
        ]
    found = {row.day: row for row in await stored_days(selection, selection.group_id)}
    return [found.get(row.day) or _inactive_day(selection, row) for row in hub]


def _inactive_day(selection: Selection, hub: GroupDay) -> GroupDay:
    """A day without a row: the group did nothing, or nothing was observed."""
    members = sum(selection.visible(user_id, hub.day) for user_id in selection.windows or ())
    known = hub.servers_known
    none = 0 if known else None
    running = known and hub.observed_seconds > 0
    return GroupDay(
        day=hub.day,
        group_id=selection.group_id or HUB,
        members=members,
        newcomers=0,
        active=0,
        active_7=0,
        active_30=0,
        active_seconds=0,
        idle_seconds=none,
        server_seconds=none,
        after_seconds=none,
        saved_seconds=none,
        sessions=none,
        observed_seconds=hub.observed_seconds,
        mean_running=0.0 if running else None,
        peak=0 if running else None,
        peak_at=None,
        lengths="{}",
        hours="",
        unobserved_seconds=none,
        observed_hours=hub.observed_hours,
        servers_known=known,
    )


async def _days_of_user(selection: Selection) -> list[GroupDay]:
    """The rows of one user: of pruned days as they were rolled up, else from the raw records."""
    if selection.empty or selection.span is None:
        return []
    (user_id,) = selection.windows or {0: []}
    rows: list[GroupDay] = []
    pruned = await _pruned_days(selection, user_id)
    sessions = await sessions_of(selection, SAVES_AT_MOST)
    seen = await seen_of(selection, since_when(sessions, selection.window))
    records = ByDay(sessions, await activity_of(selection, user_id))
    active_days = await _active_days_before(selection, user_id)
    for hub in await hub_days(selection):
        shown = selection.visible(user_id, hub.day)
        if hub.day < selection.span.timelines_from:
            row = _of_pruned(hub, pruned.get(hub.day) if shown else None)
        else:
            window = bounds(hub.day, selection.zone)
            if selection.now < window.end:
                window = Interval(window.start, max(window.start, selection.now))
            its_sessions, its_activity = records.of(window)
            joined = selection.joined(user_id, hub.day)
            _, (_, row) = roll_up(
                DayRecords(
                    day=hub.day,
                    window=window,
                    zone=selection.zone,
                    sessions=its_sessions if shown else (),
                    activity=[(user_id, one) for one in its_activity] if shown else (),
                    seen=seen,
                    servers_known=hub.servers_known,
                    members={HUB: {user_id}},  # a group in the place of the hub
                    joined={} if joined is None else {HUB: {user_id: joined}},
                )
            )
        active_days += [hub.day] * row.active
        active_days = [day for day in active_days if hub.day - day < timedelta(days=30)]
        rows.append(
            row._replace(
                members=int(shown),
                observed_seconds=hub.observed_seconds,
                active_7=_active_within(active_days, hub.day, timedelta(days=7)),
                active_30=_active_within(active_days, hub.day, timedelta(days=30)),
            )
        )
    return rows


async def _active_days_before(selection: Selection, user_id: int) -> list[date]:
    """The days in the month before the first one on which the user worked, as far as shown."""
    c = t.user_days.c
    query = select(c.day).where(
        c.user_id == user_id,
        c.day >= selection.first - timedelta(days=29),
        c.day < min(selection.first, selection.live_from),
        c.was_active,
    )
    found = list(await selection.connection.scalars(query))
    found += [
        live.day
        for live in selection.live_users
        if live.user_id == user_id and live.day < selection.first and live.was_active
    ]
    return [day for day in found if selection.visible(user_id, day)]


async def _pruned_days(selection: Selection, user_id: int) -> dict[date, UserDay]:
    """The user's rolled-up days of which no raw records are left."""
    if selection.span is None or selection.first >= selection.span.timelines_from:
        return {}
    query = select(t.user_days).where(
        t.user_days.c.user_id == user_id,
        t.user_days.c.day >= selection.first,
        t.user_days.c.day <= selection.last,
        t.user_days.c.day < selection.span.timelines_from,
    )
    return {row.day: UserDay(*row) for row in await selection.connection.execute(query)}


def _of_pruned(hub: GroupDay, day: UserDay | None) -> GroupDay:
    """A user's day from what was rolled up. The rest is not known any more."""
    found = day or UserDay(hub.day, 0, 0, 0, 0, was_active=False)
    known = hub.servers_known
    return hub._replace(
        members=1,
        newcomers=0,
        active=int(found.was_active),
        active_seconds=found.active_seconds,
        idle_seconds=found.idle_seconds if known else None,
        unobserved_seconds=found.unobserved_seconds if known else None,
        server_seconds=None,
        after_seconds=None,
        saved_seconds=None,
        sessions=found.sessions if known else None,
        mean_running=None,
        peak=None,
        peak_at=None,
        lengths="",
        hours="",
        observed_hours=NO_HOURS,
    )


def _active_within(active_days: Sequence[date], day: date, time: timedelta) -> int:
    return int(any(day - active_day < time for active_day in active_days))
