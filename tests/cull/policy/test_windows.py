"""When a rule holds, by wall clocks and by absolute times."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cull.policy.windows import Span, Weekly

ZURICH = ZoneInfo("Europe/Zurich")
LESSON = Weekly(ZURICH, frozenset(range(5)), time(8), time(18))
UTC_ZONE = ZoneInfo("UTC")
MONDAY = frozenset({0})
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


def test_a_span_tells_its_next_change() -> None:
    """Its start, then its end, then none."""
    begin, end = datetime(2026, 6, 1, 8, tzinfo=UTC), datetime(2026, 6, 1, 10, tzinfo=UTC)
    span = Span(begin, end)
    assert span.changes_after(begin - timedelta(seconds=1)) == begin
    assert span.changes_after(begin) == end
    assert span.changes_after(end) is None


NEXT = {
    "a week later": (Weekly(UTC_ZONE, MONDAY, time(8), time(18)), "02 18:00", "09 08:00"),
    "the morning after": (Weekly(UTC_ZONE, MONDAY, time(22), time(6)), "02 22:00", "03 06:00"),
    "the end of a whole day": (Weekly(UTC_ZONE, MONDAY), "02 12:00", "03 00:00"),
    "the second pass of an hour": (
        Weekly(ZURICH, start=time(2, 30), end=time(2, 45)),
        "2026-10-25 00:50",
        "2026-10-25 01:30",
    ),
    "clocks set back into the hours": (
        Weekly(ZURICH, start=time(1), end=time(2, 30)),
        "2026-10-25 00:40",
        "2026-10-25 01:00",
    ),
    "clocks set forward into the hours": (
        Weekly(ZURICH, start=time(2, 30), end=time(4)),
        "2026-03-29 00:00",
        "2026-03-29 01:00",
    ),
    "clocks set forward over the hours": (
        Weekly(ZURICH, start=time(2, 15), end=time(2, 45)),
        "2026-03-29 00:00",
        "2026-03-30 00:15",
    ),
}


@pytest.mark.parametrize("case", NEXT)
def test_hours_tell_their_next_change(case: str) -> None:
    """Where they begin or end next, also when it is the clocks that are moved."""
    window, moment, change = NEXT[case]
    assert window.changes_after(utc(moment)) == utc(change)


def utc(text: str) -> datetime:
    whole = text if len(text) > len("02 18:00") else f"2026-03-{text}"
    return datetime.fromisoformat(whole).replace(tzinfo=UTC)


def test_hours_without_end_never_change() -> None:
    """The whole week has no boundary."""
    assert Weekly(ZURICH).changes_after(datetime(2026, 3, 2, tzinfo=UTC)) is None


minutes = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
#: A day in each change of summer time, and one without; Lord Howe's clocks move by half an hour.
around = st.sampled_from(["2026-03-28", "2026-10-24", "2026-04-04", "2026-10-03", "2026-06-10"])
zones = st.sampled_from(["UTC", "Europe/Zurich", "Australia/Lord_Howe", "America/St_Johns"])


@settings(max_examples=60)
@given(zones, st.frozensets(st.integers(0, 6), min_size=1), minutes, minutes, around)
def test_the_next_change_of_hours_is_the_first_one(
    zone: str, days: frozenset[int], start: time, end: time, day: str
) -> None:
    """What is true now stays true until then, and not a moment longer, in any zone."""
    window = Weekly(ZoneInfo(zone), days, start, end)
    moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    change = window.changes_after(moment)
    now_inside = window.contains(moment)
    if change is not None:
        assert change > moment
        assert window.contains(change) is not now_inside
        assert window.contains(change - timedelta(microseconds=1)) is now_inside
    until = min(change or moment + timedelta(days=8), moment + timedelta(days=3))
    while moment < until:
        assert window.contains(moment) is now_inside
        moment += timedelta(minutes=5)


@given(st.datetimes(timezones=st.just(UTC)), st.times(), st.times())
def test_hours_and_their_complement_cover_the_day(moment: datetime, start: time, end: time) -> None:
    """Every moment is in a daily window or in the one from its end to its start, not both."""
    if start == end or not 1 < moment.year < 9999:
        return
    zone = ZoneInfo("UTC")
    inside = Weekly(zone, start=start, end=end).contains(moment)
    outside = Weekly(zone, start=end, end=start).contains(moment)
    assert inside is not outside
