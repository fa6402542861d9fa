"""Calendar days, weeks and months in a time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.days import By, Period, bounds, day_of, days, midnight, periods

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param(date(2026, 3, 29), 23, id="summer time starts"),
        pytest.param(date(2026, 10, 25), 25, id="summer time ends"),
        pytest.param(date(2026, 3, 2), 24, id="usual day"),
    ],
)
def test_length_of_a_day(day: date, hours: int) -> None:
    """A day on which clocks change has 23 or 25 hours."""
    assert bounds(day, BERLIN).seconds == hours * 3600


def test_a_skipped_midnight_is_the_first_moment_of_the_day() -> None:
    """Where clocks went from 0:00 to 1:00, the day began at 1:00 local time."""
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    assert midnight(date(2018, 11, 4), sao_paulo) == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_the_day_depends_on_the_zone() -> None:
    """Shortly before midnight in UTC, the next day has begun in Berlin."""
    moment = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    assert day_of(moment, ZoneInfo("UTC")) == date(2026, 3, 2)
    assert day_of(moment, BERLIN) == date(2026, 3, 3)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (By.DAY, [(3, 27, 3, 27), (3, 28, 3, 28)]),
        (By.WEEK, [(3, 27, 3, 28)]),
        (By.MONTH, [(3, 27, 3, 28)]),
    ],
)
def test_periods_may_be_shorter_at_the_ends(by: By, expected: list[tuple[int, ...]]) -> None:
    """A range inside one week and month is one period, and each day its own."""
    found = periods(date(2026, 3, 27), date(2026, 3, 28), by)
    assert found == [Period(date(2026, a, b), date(2026, c, d)) for a, b, c, d in expected]


def test_weeks_start_on_monday_and_months_end_with_their_last_day() -> None:
    """Periods follow the calendar, leap years included."""
    first, last = date(2028, 2, 26), date(2028, 3, 6)
    assert [p.first for p in periods(first, last, By.WEEK)] == [
        first,
        date(2028, 2, 28),
        date(2028, 3, 6),
    ]
    assert periods(first, last, By.MONTH) == [
        Period(first, date(2028, 2, 29)),
        Period(date(2028, 3, 1), last),
    ]
    assert periods(first, last, By.MONTH)[1].days == 6


def test_an_empty_range_has_no_days() -> None:
    """If the last day is before the first, there is nothing."""
    assert list(days(date(2026, 3, 2), date(2026, 3, 1))) == []
    assert periods(date(2026, 3, 2), date(2026, 3, 1), By.DAY) == []


@given(
    st.dates(min_value=date(1990, 1, 1), max_value=date(2050, 1, 1)),
    st.integers(0, 800),
    st.sampled_from(list(By)),
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]
    ),
)
def test_days_and_periods_tile_the_time(first: date, length: int, by: By, zone_name: str) -> None:
    """Days follow one another without a gap in any zone, and periods contain each day once."""
    zone = ZoneInfo(zone_name)
    last = first + timedelta(days=length)
    split = periods(first, last, by)
    assert [day for p in split for day in days(p.first, p.last)] == list(days(first, last))
    for day in (first, last):
        window = bounds(day, zone)
        assert window.end == bounds(day + timedelta(days=1), zone).start
        assert 22 * 3600 <= window.seconds <= 26 * 3600
        assert day_of(window.end - timedelta(seconds=1), zone) == day
