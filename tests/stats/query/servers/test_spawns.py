"""The figures about starts of servers."""

from datetime import date
from math import inf

import pytest

from services.stats.days import By
from services.stats.query.servers.spawns import (
    UNREADABLE,
    LengthClass,
    classes,
    facts,
    failure_percent,
    lengths,
    of_known_days,
    over_time,
    which_days,
)
from services.stats.query.spawns import SpawnSummary

DAY = date(2026, 3, 2)
UNKNOWN = SpawnSummary(DAY, DAY)
KNOWN = SpawnSummary(
    DAY, DAY, True, 10, 2, 1, 12.0, 10.0, 30.0, 60.0, {0.5: 0, 10.0: 6, 30.0: 3, 60.0: 1, inf: 0}
)
NONE = SpawnSummary(DAY, DAY, True, 0, 0, 0, None, None, None, None, {})


@pytest.mark.parametrize(("summary", "percent"), [(KNOWN, 16.7), (NONE, None), (UNKNOWN, None)])
def test_share_of_failures(summary: SpawnSummary, percent: float | None) -> None:
    """Of all attempts; without any, or if unknown, there is no share."""
    assert failure_percent(summary) == percent


def test_bins_have_both_bounds() -> None:
    """The Hub counts by upper bounds; bins after the slowest start are left out."""
    assert classes(KNOWN) == [
        LengthClass(0, 0.5, 0),
        LengthClass(0.5, 10, 6),
        LengthClass(10, 30, 3),
        LengthClass(30, 60, 1),
    ]
    shown = lengths(KNOWN)
    assert [list(row) for row in shown.rows] == [
        ["up to 0.5 s", 0, 0.0, 0.0],
        ["0.5 to 10 s", 6, 60.0, 60.0],
        ["10 to 30 s", 3, 30.0, 90.0],
        ["30 s to 1 min", 1, 10.0, 100.0],
    ]
    assert shown.note.startswith("9 of 10 servers started within 30 s.")


def test_the_last_bin_has_no_upper_bound() -> None:
    """Nothing is claimed about servers that took longer than the Hub counts."""
    slow = KNOWN._replace(starts=2, p90_seconds=None, lengths={10.0: 1, 600.0: 0, inf: 1})
    assert classes(slow)[-1] == LengthClass(600, None, 1)
    assert lengths(slow).rows[-1][0] == "over 10 min"
    assert lengths(slow).note == "More than 1 of 10 servers took longer than 10 min to start."


def test_unknown_is_not_zero() -> None:
    """Without the Hub's counters there are no numbers, but the reason and what to do."""
    shown = over_time([UNKNOWN, UNKNOWN], By.DAY)
    assert shown.note == UNREADABLE
    assert "read:metrics" in UNREADABLE
    assert set(shown.rows[0][1:-1]) == {None}
    assert shown.unobserved_rows == 2
    assert (lengths(UNKNOWN).note, list(lengths(UNKNOWN).rows)) == (UNREADABLE, [])
    assert lengths(UNKNOWN).draw is None
    assert {fact.value for fact in facts(UNKNOWN)} == {None}


def test_no_starts_are_a_zero() -> None:
    """The counters were read, and no server started."""
    shown = over_time([NONE, UNKNOWN], By.WEEK)
    assert list(shown.rows[0][:5]) == [DAY, DAY, 0, 0, None]
    assert shown.note != UNREADABLE
    assert lengths(NONE).note == "No server started."
    assert [fact.value for fact in facts(NONE)] == [0, 0]


def test_incomplete_periods_are_marked() -> None:
    """Their counts are lower bounds. Unknown ones have none."""
    shown = over_time([KNOWN, KNOWN._replace(complete=False), UNKNOWN], By.DAY)
    assert shown.incomplete == {1}


def test_known_days_of_a_partly_known_range() -> None:
    """The range as such is unknown; its known days are counted, and named as such."""
    days = [KNOWN, UNKNOWN, KNOWN, NONE]
    found = of_known_days(UNKNOWN, days)
    assert (found.starts, found.failures, found.refused) == (20, 4, 2)
    assert (found.complete, found.p90_seconds, found.lengths) == (
        False,
        30.0,
        {
            0.5: 0,
            10.0: 12,
            30.0: 6,
            60.0: 2,
            inf: 0,
        },
    )
    assert which_days(days) == "on 3 of 4 days"
    assert [fact.note for fact in facts(found, which_days(days))] == [
        "on 3 of 4 days",
        "(16.7%) on 3 of 4 days",
    ]
    assert lengths(found, which_days(days)).note.endswith("Counted on 3 of 4 days.")
    assert of_known_days(UNKNOWN, [UNKNOWN]) == UNKNOWN
    assert of_known_days(KNOWN, days) == KNOWN
    assert which_days([UNKNOWN]) == which_days([KNOWN]) == ""
