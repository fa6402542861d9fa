"""Rows of days summed up into the numbers of periods."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from services.stats.days import Period
from services.stats.query.periods import (
    DayLength,
    percentile,
    session_lengths,
    summarise,
    week_by_hour,
)
from tests.stats.one_day import BASE, DAY, hub


def test_nothing_observed_is_unknown() -> None:
    """Without polls, peak and mean are unknown, and so is every number of the summary."""
    day = hub(replace(BASE, seen=()))
    assert day.peak is day.mean_running is None
    summary = summarise(Period(DAY, DAY), [day], 1, {DAY: DayLength(86400, 86400)})
    assert set(summary[4:]) == {None}
    assert not summary.complete
    assert summary.observed_percent == 0


def test_incomplete_days_do_not_enter_averages() -> None:
    """Neither does a day that was hardly observed, nor the current one; they remain counted."""
    whole = hub(BASE)._replace(active=10, active_30=20)
    rows = [
        whole,
        whole._replace(day=DAY + timedelta(days=1), active=0, observed_seconds=600),
        whole._replace(day=DAY + timedelta(days=2), active=1, active_30=15, observed_seconds=7200),
    ]
    whole_day = DayLength(86400, 86400)
    lengths = {rows[0].day: whole_day, rows[1].day: whole_day, rows[2].day: DayLength(86400, 7200)}
    summary = summarise(Period(DAY, rows[2].day), rows, 11, lengths)
    assert (summary.daily_active, summary.daily_by_monthly, summary.complete) == (10, 0.5, False)
    assert summary.active_users == 11
    for row in rows[1:]:
        alone = summarise(Period(row.day, row.day), [row], 0, {row.day: lengths[row.day]})
        assert alone.daily_active is alone.daily_by_monthly is None
        assert not alone.complete


def test_unknown_numbers_stay_unknown() -> None:
    """Imported days have no sessions to add up; a mixed period counts those that are known."""
    imported = hub(replace(BASE, sessions=[], servers_known=False))
    length = {DAY: DayLength(86400, 86400)}
    summary = summarise(Period(DAY, DAY), [imported], 1, length)
    assert (summary.active_hours, summary.sessions, summary.server_hours) == (1, None, None)
    assert summary.mean_servers is summary.peak_servers is summary.saved_hours is None
    later = DAY + timedelta(days=1)
    both = [imported, hub(BASE)._replace(day=later)]
    mixed = summarise(Period(DAY, later), both, 1, length | {later: DayLength(86400, 86400)})
    assert (mixed.sessions, mixed.server_hours, mixed.mean_servers) == (1, 2, 0.08)


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


def test_hours_that_were_not_observed_do_not_count() -> None:
    """An hour's mean is over the days on which that hour was observed."""
    monday = hub(BASE)
    shares = json.dumps([100] * 10 + [0] * 14)
    half = monday._replace(day=DAY + timedelta(days=7), hours="", observed_hours=shares)
    table = week_by_hour([monday, half])
    assert table[0][10] == 1
    assert table[0][9] == 0
    assert week_by_hour([half])[0][9:11] == [0, None]


def test_hours_of_days_from_earlier_versions() -> None:
    """They count if the whole day was observed; otherwise nothing is known about its hours."""
    monday = hub(BASE)
    assert week_by_hour([monday._replace(observed_seconds=3600)])[0] == [None] * 24
    assert week_by_hour([monday._replace(observed_seconds=23 * 3600)])[0][10] == 1
