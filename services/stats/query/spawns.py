"""How servers started, by the Hub's own counters. Pure.

The counters miss nothing, however short a session was, but they say only that something happened
between two readings. Spawns count for the day in which they were read, at most two and a half
polls later. After a longer gap that reaches into another day it is not known which day they belong
to, so that both days are unknown; a longer period that contains the whole gap counts them.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from math import ceil, isinf
from typing import NamedTuple

from services.stats.days import Period
from services.stats.intervals import Interval, overlap_seconds
from services.stats.query.periods import COVERAGE, DayLength, is_complete
from services.stats.records import Spawns

REFUSED = ("throttled", "too-many-users")
"""The outcomes of spawns that the Hub did not begin, because of its limits."""


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
    """Spawns that failed. If a server exits while a user waits for it, JupyterHub may count that
    twice."""
    refused: int | None = None
    """Spawns that the Hub did not begin, as too many were under way or too many servers ran."""
    mean_seconds: float | None = None
    """None, like the percentiles, if no server started."""
    median_seconds: float | None = None
    p90_seconds: float | None = None
    p99_seconds: float | None = None
    """The percentiles are also None if they are in the last bin, which has no upper bound."""


def summarise_spawns(
    period: Period,
    spawns: Sequence[Spawns],
    known: Sequence[Interval],
    window: Interval,
    length: DayLength,
    observed: float,
) -> SpawnSummary:
    """One period. ``known``: when the Hub's counters were known, as a union.

    ``window`` is the period, ``length`` the same in seconds, ``observed`` how many seconds of it
    were observed by polls.
    """
    covered = overlap_seconds(known, [window])
    inside, apart = _split(spawns, window)
    if covered <= 0 or covered < COVERAGE * observed or any(row.number for row in apart):
        return SpawnSummary(period.first, period.last)
    counts: Counter[str] = Counter()
    lengths: Counter[float] = Counter()
    seconds = 0.0
    for row in inside:
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
    )


def _split(spawns: Sequence[Spawns], window: Interval) -> tuple[list[Spawns], list[Spawns]]:
    """The spawns that ended in the window, and those that may have."""
    inside: list[Spawns] = []
    apart: list[Spawns] = []
    for row in spawns:
        if row.since >= window.end or row.until <= window.start:
            continue
        within = window.start <= row.since and row.until <= window.end
        (inside if within else apart).append(row)
    return inside, apart


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
