"""Spawns of the whole hub, from the Hub's own counters."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from services.stats.days import Period, bounds, midnight
from services.stats.intervals import Interval, union
from services.stats.query.access import WholeHub
from services.stats.query.periods import DayLength, day_lengths
from services.stats.query.spawns import SpawnSummary, summarise_spawns
from services.stats.records import GroupDay, Spawns
from services.stats.store import tables as t
from services.stats.store.mapping import spawns_of
from services.stats.store.queries.selection import Selection


@dataclass(frozen=True)
class SpawnRecords:
    """What the Hub counted on the selected days."""

    spawns: Sequence[Spawns]
    known: Sequence[Interval]
    """When its counters were known, as a union."""


async def read_spawns(selection: Selection) -> SpawnRecords | None:
    """The records of the selected days; None if the audience is not the whole hub."""
    if selection.empty or not isinstance(selection.audience, WholeHub):
        return None
    window = selection.window
    s, c = t.spawns.c, t.spawn_counters.c
    query = select(t.spawns).where(s.since < window.end, s.until > window.start).order_by(s.since)
    spawns = [spawns_of(row) for row in await selection.connection.execute(query)]
    times = select(c.since, c.until).where(c.since < window.end, c.until > window.start)
    known = [Interval(*row) for row in await selection.connection.execute(times)]
    return SpawnRecords(spawns, union(known))


def summary_of(
    selection: Selection, records: SpawnRecords, days: Sequence[GroupDay], period: Period
) -> SpawnSummary:
    """One period. ``days`` are the hub's rows."""
    lengths = day_lengths(period.first, period.last, selection.now, selection.zone).values()
    return summarise_spawns(
        period,
        records.spawns,
        records.known,
        Interval(midnight(period.first, selection.zone), bounds(period.last, selection.zone).end),
        DayLength(sum(one.whole for one in lengths), sum(one.passed for one in lengths)),
        sum(row.observed_seconds for row in days if period.first <= row.day <= period.last),
    )
