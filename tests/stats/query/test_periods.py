"""Rows of days summed up into the numbers of periods."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.stats.days import Period
from services.stats.query.periods import percentile, session_lengths, summarise, week_by_hour
from tests.stats.one_day import BASE, DAY, hub


def test_nothing_observed_is_unknown() -> None:
    """Without polls, peak and mean are unknown, and so is every number of the summary."""
    day = hub(replace(BASE, polls=()))
    assert day.peak is day.mean_running is None
    summary = summarise(Period(DAY, DAY), [day], 1, {DAY: 86400.0})
    assert set(summary[3:]) == {None}
    assert summary.observed_percent == 0


@pytest.mark.parametrize(
    ("share", "length"), [(0.5, 10), (0.9, 90), (0.99, 100), (0.0, 10), (1.0, 100)]
)
def test_percentile(share: float, length: int) -> None:
    """A percentile is the shortest length that this share of sessions do not exceed."""
    assert percentile({10: 50, 90: 45, 100: 5}, share) == length


def test_percentile_of_none() -> None:
    """Without sessions there is no percentile."""
    assert percentile({}, 0.5) is None


def test_lengths_add_up() -> None:
    """The lengths of several days are added up."""
    day = hub(BASE)
    assert session_lengths([day, day]) == {120: 2}


def test_week_by_hour() -> None:
    """Means are over the observed days of a weekday; other weekdays are unknown."""
    monday = hub(BASE)
    next_monday = monday._replace(day=DAY + timedelta(days=7), hours="")
    table = week_by_hour([monday, next_monday])
    assert table[0][10] == 0.5
    assert table[0][11] == 0
    assert table[1] == [None] * 24
