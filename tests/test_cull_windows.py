"""When a rule holds, by wall clocks and by absolute times."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cull.windows import Span, Weekly

ZURICH = ZoneInfo("Europe/Zurich")
LESSON = Weekly(ZURICH, frozenset(range(5)), time(8), time(18))
NIGHT = Weekly(ZURICH, frozenset({4}), time(22), time(6))


@pytest.mark.parametrize(
    ("window", "local", "inside"),
    [
        (LESSON, "2026-03-02 08:00", True),
        (LESSON, "2026-03-02 07:59", False),
        (LESSON, "2026-03-02 17:59", True),
        (LESSON, "2026-03-02 18:00", False),
        (LESSON, "2026-03-01 12:00", False),
        (NIGHT, "2026-03-06 22:00", True),
        (NIGHT, "2026-03-07 05:59", True),
        (NIGHT, "2026-03-07 06:00", False),
        (NIGHT, "2026-03-06 05:00", False),
        (NIGHT, "2026-03-07 23:00", False),
        (Weekly(ZURICH), "2026-03-01 00:00", True),
        (Weekly(ZURICH, frozenset({6})), "2026-03-01 23:59", True),
        (Weekly(ZURICH, frozenset({6})), "2026-03-02 00:00", False),
    ],
)
def test_hours_hold_by_the_wall_clock_of_their_zone(
    window: Weekly, local: str, inside: bool
) -> None:
    """Start included, end not; past midnight belongs to the day it began on."""
    moment = datetime.strptime(local, "%Y-%m-%d %H:%M").replace(tzinfo=ZURICH)
    assert window.contains(moment.astimezone(UTC)) is inside


@pytest.mark.parametrize(
    ("utc", "inside"),
    [
        ("2026-03-27 06:59", False),  # winter time: 07:59
        ("2026-03-27 07:00", True),
        ("2026-03-30 05:59", False),  # summer time: 07:59
        ("2026-03-30 06:00", True),
    ],
)
def test_hours_follow_summer_time(utc: str, inside: bool) -> None:
    """Eight in the morning is eight in the morning on both sides of the change."""
    moment = datetime.strptime(utc, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert LESSON.contains(moment) is inside


def test_the_hour_that_comes_twice_counts_twice() -> None:
    """On the last Sunday of October 02:30 comes twice, and both are inside."""
    window = Weekly(ZURICH, frozenset({6}), time(2), time(3))
    for hour in (0, 1):
        assert window.contains(datetime(2026, 10, 25, hour, 30, tzinfo=UTC))


def test_a_span_includes_its_start_and_not_its_end() -> None:
    """So that two that meet do not overlap."""
    begin, end = datetime(2026, 6, 1, 8, tzinfo=UTC), datetime(2026, 6, 1, 10, tzinfo=UTC)
    span = Span(begin, end)
    assert span.contains(begin)
    assert not span.contains(end)


@given(st.datetimes(timezones=st.just(UTC)), st.times(), st.times())
def test_hours_and_their_complement_cover_the_day(moment: datetime, start: time, end: time) -> None:
    """Every moment is in a daily window or in the one from its end to its start, not both."""
    if start == end or not 1 < moment.year < 9999:
        return
    zone = ZoneInfo("UTC")
    inside = Weekly(zone, start=start, end=end).contains(moment)
    outside = Weekly(zone, start=end, end=start).contains(moment)
    assert inside is not outside
