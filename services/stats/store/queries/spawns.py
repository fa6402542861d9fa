"""Spawns of the whole hub, from the Hub's own counters."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import Period, bounds, midnight
from services.stats.intervals import Interval, union
from services.stats.query.access import WholeHub
from services.stats.query.periods import day_lengths, total_length
from services.stats.query.spawns import SpawnRecords, SpawnSummary, summarise_spawns
from services.stats.records import GroupDay, Spawns
from services.stats.store import tables as t
from services.stats.store.mapping import spawns_of
from services.stats.store.queries.selection import Selection


async def read_spawns(selection: Selection) -> SpawnRecords | None:
    """The records of the selected days; None if the audience is not the whole hub."""
    if not isinstance(selection.audience, WholeHub):
        return None
    if selection.empty:
        return SpawnRecords((), ())
    query = select(t.spawns).where(
        t.spawns.c.since < selection.window.end, t.spawns.c.until > selection.window.start
    )
    rows = await selection.connection.execute(query)
    return SpawnRecords([spawns_of(row) for row in rows], await _known(selection))


async def read_starts(selection: Selection) -> SpawnRecords | None:
    """The same of successful spawns, without their durations. Read once for each selection."""
    if selection.empty or not isinstance(selection.audience, WholeHub):
        return None
    if selection.starts is None:
        c = t.spawns.c
        query = select(c.since, c.until, c.number).where(
            c.since < selection.window.end,
            c.until > selection.window.start,
            c.outcome == "success",
        )
        rows = await selection.connection.execute(query)
        starts = [Spawns(since, until, "success", number, 0.0, {}) for since, until, number in rows]
        selection.starts = SpawnRecords(starts, await _known(selection))
    return selection.starts


async def _known(selection: Selection) -> Sequence[Interval]:
    c = t.spawn_counters.c
    query = select(c.since, c.until).where(
        c.since < selection.window.end, c.until > selection.window.start
    )
    return union([Interval(*row) for row in await selection.connection.execute(query)])


async def starts(selection: Selection, days: Sequence[GroupDay], period: Period) -> int | None:
    """Starts counted by the Hub; None: not known, or not those of the whole hub."""
    records = await read_starts(selection)
    return None if records is None else summary_of(selection, records, days, period).starts


def summary_of(
    selection: Selection, records: SpawnRecords, days: Sequence[GroupDay], period: Period
) -> SpawnSummary:
    """One period. ``days`` are the hub's rows."""
    lengths = day_lengths(period.first, period.last, selection.now, selection.zone)
    return summarise_spawns(
        period,
        records,
        Interval(midnight(period.first, selection.zone), bounds(period.last, selection.zone).end),
        total_length(lengths.values()),
        sum(row.observed_seconds for row in days if period.first <= row.day <= period.last),
    )


async def counters_read(connection: AsyncConnection) -> datetime | None:
    """When the Hub's counters were last read; None: never."""
    last: datetime | None = await connection.scalar(select(func.max(t.spawn_counters.c.until)))
    return last
