"""The daily rows of the hub, a group or a user."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import select

from services.stats.days import Period, bounds
from services.stats.days import days as each_day
from services.stats.intervals import Interval
from services.stats.query.access import Individual
from services.stats.records import HUB, GroupDay, Poll
from services.stats.store import tables as t
from services.stats.store.queries.selection import Selection
from services.stats.store.queries.sessions import activity_of, sessions_of
from services.stats.store.rollup import DayRecords, roll_up


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
        return hub
    found = {row.day: row for row in await _stored_days(selection, selection.group_id)}
    return [found.get(row.day) or _inactive_day(selection, row) for row in hub]


async def hub_days(selection: Selection) -> list[GroupDay]:
    """The rows of the whole hub whatever the audience: they show what was observed."""
    return await _stored_days(selection, HUB)


def day_lengths(selection: Selection, period: Period) -> Mapping[date, float]:
    """Seconds of each day that have passed; 23 or 25 hours when the clocks change."""
    lengths = {}
    for day in each_day(period.first, period.last):
        window = bounds(day, selection.zone)
        elapsed = min(window.end, selection.now) - window.start
        lengths[day] = max(0.0, elapsed.total_seconds())
    return lengths


async def _stored_days(selection: Selection, group_id: int | None) -> list[GroupDay]:
    query = (
        select(t.group_days)
        .where(
            t.group_days.c.group_id == group_id,
            t.group_days.c.day >= selection.first,
            t.group_days.c.day <= selection.last,
        )
        .order_by(t.group_days.c.day)
    )
    rows = {row.day: GroupDay(*row) for row in await selection.connection.execute(query)}
    for live in selection.live_groups:
        if live.group_id == group_id and selection.first <= live.day <= selection.last:
            rows[live.day] = live
    return [rows[day] for day in sorted(rows)]


def _inactive_day(selection: Selection, hub: GroupDay) -> GroupDay:
    """A day without a row: the group did nothing, or nothing was observed."""
    members = sum(selection.visible(user_id, hub.day) for user_id in selection.windows or ())
    observed = hub.observed_seconds > 0
    return GroupDay(
        day=hub.day,
        group_id=selection.group_id or HUB,
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
        mean_running=0.0 if observed else None,
        peak=0 if observed else None,
        peak_at=None,
        lengths="{}",
        hours="",
    )


async def _days_of_user(selection: Selection) -> list[GroupDay]:
    """The rows of one user, rolled up from the few raw records that there are."""
    if selection.empty:
        return []
    (user_id,) = selection.windows or {0: []}
    sessions = await sessions_of(selection)
    activity = [(user_id, interval) for interval in await activity_of(selection, user_id)]
    rows = []
    active_days: list[date] = []
    for hub in await hub_days(selection):
        window = bounds(hub.day, selection.zone)
        if selection.now < window.end:
            window = Interval(window.start, max(window.start, selection.now))
        shown = selection.visible(user_id, hub.day)
        _, (row, *_) = roll_up(
            DayRecords(
                day=hub.day,
                window=window,
                zone=selection.zone,
                sessions=sessions if shown else (),
                activity=activity if shown else (),
                polls=_polls_at_both_ends(window) if hub.observed_seconds else (),
                people=1,
            )
        )
        active_days += [hub.day] * row.active
        rows.append(
            row._replace(
                observed_seconds=hub.observed_seconds,
                active_7=_active_within(active_days, hub.day, timedelta(days=7)),
                active_30=_active_within(active_days, hub.day, timedelta(days=30)),
            )
        )
    return rows


def _active_within(active_days: Sequence[date], day: date, time: timedelta) -> int:
    return int(any(day - active_day < time for active_day in active_days))


def _polls_at_both_ends(window: Interval) -> list[Poll]:
    """Two polls that make ``roll_up`` count the window as observed throughout."""
    seconds = int(window.seconds) or 1
    return [Poll(moment, seconds, 0, whole=True, full=False) for moment in window]
