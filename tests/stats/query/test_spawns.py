"""Spawns of a period: what belongs to it, and what is unknown."""

from collections import Counter
from datetime import date, datetime, timedelta
from math import inf

import pytest

from services.stats.days import Period
from services.stats.intervals import Interval
from services.stats.query.periods import DayLength
from services.stats.query.spawns import SpawnRecords, SpawnSummary, summarise_spawns, upper_bound
from services.stats.records import Spawns
from tests.stats.course import MONDAY, at

DAY = Interval(at(0), at(1))
WHOLE = 86400.0


def spawns(since: datetime, until: datetime, number: int = 1, outcome: str = "success") -> Spawns:
    """Spawns of 2 s each."""
    return Spawns(since, until, outcome, number, 2.0 * number, {2.5: number})


def summary(
    *rows: Spawns,
    known: Interval = DAY,
    window: Interval = DAY,
    observed: float = WHOLE,
    last: date = MONDAY,
) -> SpawnSummary:
    """The summary of Monday, unless another window is given."""
    length = DayLength(window.seconds, window.seconds)
    records = SpawnRecords(rows, [known])
    return summarise_spawns(Period(MONDAY, last), records, window, length, observed)


def test_numbers_of_a_day() -> None:
    """Starts, failures, refused spawns and durations."""
    found = summary(
        spawns(at(0, 8), at(0, 9), 3),
        spawns(at(0, 9), at(0, 10), 2, "failure"),
        spawns(at(0, 9), at(0, 10), 4, "throttled"),
        spawns(at(0, 9), at(0, 10), 5, "too-many-users"),
        spawns(at(0, 9), at(0, 10), 6, "already-pending"),
        spawns(at(-1, 9), at(-1, 10), 90),
        spawns(at(1, 0), at(1, 1), 90),
    )
    assert (found.starts, found.failures, found.refused) == (3, 2, 9)
    assert (found.mean_seconds, found.median_seconds, found.p99_seconds) == (2.0, 2.5, 2.5)
    assert found.complete


def test_no_spawn_is_zero() -> None:
    """Known counters without a spawn are a zero, without durations."""
    assert summary()[2:] == (True, 0, 0, 0, None, None, None, None, {})


def test_unread_counters_are_unknown() -> None:
    """Nothing is known if the counters were known for less than 90 % of what was observed."""
    row = spawns(at(0, 8), at(0, 9))
    assert summary(row, known=Interval(at(0), at(0, 12))).starts is None
    assert summary(row, known=Interval(at(-2), at(-1))).starts is None
    assert summary(row, known=Interval(at(0), at(0, 22))).starts == 1


def test_a_partly_observed_day_has_a_lower_bound() -> None:
    """Like every other number of an incomplete day."""
    found = summary(spawns(at(0, 8), at(0, 9)), known=Interval(at(0), at(0, 9)), observed=9 * 3600)
    assert (found.starts, found.complete) == (1, False)


def test_a_gap_across_midnight() -> None:
    """It is unknown on which day the servers started; two days together know it."""
    gap = spawns(at(0, 22), at(1, 2), 7)
    assert summary(gap).starts is None
    both = Interval(at(0), at(2))
    tuesday = MONDAY + timedelta(days=1)
    assert summary(gap, known=both, window=both, observed=WHOLE * 2, last=tuesday).starts == 7


def test_a_gap_without_spawns_says_something() -> None:
    """If the counters did not change, nothing happened in the gap."""
    assert summary(known=Interval(at(-1), at(2)), observed=3600).starts == 0


@pytest.mark.parametrize(
    ("lengths", "share", "bound"),
    [
        ({1.0: 9, 5.0: 1}, 0.5, 1.0),
        ({1.0: 9, 5.0: 1}, 0.9, 1.0),
        ({1.0: 9, 5.0: 1}, 0.99, 5.0),
        ({1.0: 9, inf: 1}, 0.99, None),
        ({}, 0.5, None),
    ],
)
def test_percentiles_are_upper_bounds(
    lengths: dict[float, int], share: float, bound: float | None
) -> None:
    """The end of the bin that contains the percentile; the last bin has none."""
    assert upper_bound(Counter(lengths), share) == bound
