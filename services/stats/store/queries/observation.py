"""What was observed of the selected days, and what was not."""

from datetime import date, timedelta

from sqlalchemy import func, select

from services.stats.days import bounds, midnight
from services.stats.days import days as each_day
from services.stats.intervals import Interval, without
from services.stats.records import HUB, GroupDay
from services.stats.store import tables as t
from services.stats.store.daily.records import read_polls
from services.stats.store.daily.rollup import observed
from services.stats.store.mapping import group_day_of
from services.stats.store.queries.selection import Selection


async def gaps(selection: Selection) -> list[Interval]:
    """When nothing was observed, from the polls of the days that were not fully observed."""
    if selection.span is None or selection.empty:
        return []
    found: list[Interval] = []
    for first, last in await _partly_observed(selection):
        window = Interval(midnight(first, selection.zone), bounds(last, selection.zone).end)
        window = Interval(window.start, min(window.end, selection.span.last_poll))
        moment = window.start
        for interval in observed(await read_polls(selection.connection, window), window):
            if interval.start > moment:
                found.append(Interval(moment, interval.start))
            moment = max(moment, interval.end)
        if moment < window.end:
            found.append(Interval(moment, window.end))
    return found


async def _partly_observed(selection: Selection) -> list[tuple[date, date]]:
    """Runs of days that were not fully observed. Days without raw polls have no known gaps."""
    if selection.span is None:
        return []
    seconds = {row.day: row.observed_seconds for row in await stored_days(selection, HUB)}
    runs: list[tuple[date, date]] = []
    for day in each_day(max(selection.first, selection.span.timelines_from), selection.last):
        if seconds.get(day, 0) >= bounds(day, selection.zone).seconds:
            continue
        if runs and runs[-1][1] == day - timedelta(days=1):
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


async def resolution(selection: Selection) -> int | None:
    """The longest configured interval between the polls of the selected days, in seconds.

    Of days without raw records, that of the latest poll stands for it.
    """
    if selection.span is None:
        return None
    c = t.polls.c
    query = select(func.max(c.interval)).where(
        c.time >= selection.window.start, c.time < selection.window.end
    )
    found: int | None = await selection.connection.scalar(query)
    if found is None:
        latest = select(c.interval).where(c.time == selection.span.last_poll)
        found = await selection.connection.scalar(latest)
    return found


async def seen_of(selection: Selection) -> list[Interval]:
    """The observed time of the selected days with raw records, up to the last poll."""
    if selection.span is None or selection.empty:
        return []
    first = max(selection.first, selection.span.timelines_from)
    if first > selection.last:
        return []
    start = midnight(first, selection.zone)
    end = min(selection.window.end, selection.span.last_poll)
    return without(Interval(start, end), await gaps(selection)) if start < end else []


async def hub_days(selection: Selection) -> list[GroupDay]:
    """The rows of the whole hub whatever the audience: they show what was observed."""
    return await stored_days(selection, HUB)


async def stored_days(selection: Selection, group_id: int | None) -> list[GroupDay]:
    """The rolled-up days of a group or the hub, and those counted since."""
    query = (
        select(t.group_days)
        .where(
            t.group_days.c.group_id == group_id,
            t.group_days.c.day >= selection.first,
            t.group_days.c.day <= selection.last,
        )
        .order_by(t.group_days.c.day)
    )
    rows = {row.day: group_day_of(row) for row in await selection.connection.execute(query)}
    for live in selection.live_groups:
        if live.group_id == group_id and selection.first <= live.day <= selection.last:
            rows[live.day] = live
    return [rows[day] for day in sorted(rows)]
