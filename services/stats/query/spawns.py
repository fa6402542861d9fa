"""How servers started, by the Hub's own counters. Pure.

The counters miss nothing, however short a session was, but they say only that something happened
between two readings. Spawns count for the day in which they were read, at most two and a half
polls later. After a longer gap that reaches into another day it is not known which day they belong
to, so that both days are unknown; a longer period that contains the whole gap counts them.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import chain
from math import ceil, isinf
from typing import NamedTuple

from services.stats.days import Period
from services.stats.intervals import Interval, overlap_seconds
from services.stats.query.periods import COVERAGE, DayLength, is_complete
from services.stats.records import Spawns

REFUSED = ("throttled", "too-many-users")
"""The outcomes of spawns that the Hub did not begin, because of its limits."""


HOUR = timedelta(hours=1)


class SpawnRecords:
    """What the Hub counted on some days. ``known``: when its counters were known, as a union."""

    def __init__(self, spawns: Iterable[Spawns], known: Sequence[Interval]) -> None:
        self.known = known
        self._hours: list[Spawns] = []
        self._gaps: list[Spawns] = []  # few, but of any length
        for row in sorted(spawns, key=lambda row: row.since):
            (self._hours if row.until - row.since <= HOUR else self._gaps).append(row)

    def overlapping(self, window: Interval) -> Iterator[Spawns]:
        """The spawns that ended in the window, and those that may have."""
        start = bisect_left(self._hours, window.start - HOUR, key=lambda row: row.since)
        end = bisect_left(self._hours, window.end, key=lambda row: row.since)
        for row in chain(self._hours[start:end], self._gaps):
            if row.since < window.end and row.until > window.start:
                yield row


class SpawnSummary(NamedTuple):
    """The spawns of a period, as the Hub counted them. None: unknown.

    Of a period that is not ``complete``, the numbers are lower bounds. Durations are those of the
    servers that started; the percentiles are upper bounds, as the Hub counts durations in bins:
    at least this share of the servers took no longer.
    """

    first: date
    last: date
    complete: bool = False
    """Whether the period is over, and the Hub's counters are known for at least 90 % of it."""
    starts: int | None = None
    failures: int | None = None
    """Spawns that failed. Before version 6, JupyterHub counts those twice whose server exits while
    it starts."""
    refused: int | None = None
    """Spawns that the Hub did not begin, as too many were under way or too many servers ran."""
    mean_seconds: float | None = None
    """None, like the percentiles, if no server started."""
    median_seconds: float | None = None
    p90_seconds: float | None = None
    p99_seconds: float | None = None
    """The percentiles are also None if they are in the last bin, which has no upper bound."""
    lengths: Mapping[float, int] | None = None
    """The number of servers that started, by the upper bound of their bin in seconds; the last one
    is infinite."""


def summarise_spawns(
    period: Period,
    records: SpawnRecords,
    window: Interval,
    length: DayLength,
    observed: float,
) -> SpawnSummary:
    """One period.

    ``window`` is the period, ``length`` the same in seconds, ``observed`` how many seconds of it
    were observed by polls.
    """
    covered = overlap_seconds(records.known, [window])
    if covered <= 0 or covered < COVERAGE * observed:
        return SpawnSummary(period.first, period.last)
    counts: Counter[str] = Counter()
    lengths: Counter[float] = Counter()
    seconds = 0.0
    for row in records.overlapping(window):
        if row.since < window.start or row.until > window.end:
            return SpawnSummary(period.first, period.last)
        counts[row.outcome] += row.number
        if row.outcome == "success":
            seconds += row.seconds
            lengths.update(row.lengths)
    starts = counts["success"]
    return SpawnSummary(
        first=period.first,
        last=period.last,
        complete=is_complete(covered, length),
        starts=starts,
        failures=counts["failure"],
        refused=sum(counts[outcome] for outcome in REFUSED),
        mean_seconds=round(seconds / starts, 2) if starts else None,
        median_seconds=upper_bound(lengths, 0.5),
        p90_seconds=upper_bound(lengths, 0.9),
        p99_seconds=upper_bound(lengths, 0.99),
        lengths=lengths,
    )


def upper_bound(lengths: Counter[float], share: float) -> float | None:
    """A duration that at least this share of the spawns did not exceed.

    None if there were no spawns, or if the bin that contains it has no upper bound.
    """
    wanted = max(1, ceil(share * lengths.total()))
    reached = 0
    for bound in sorted(lengths):
        reached += lengths[bound]
        if reached >= wanted:
            return None if isinf(bound) else bound
    return None
