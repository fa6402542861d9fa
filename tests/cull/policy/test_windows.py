"""The times at which a rule applies: by wall clocks and as absolute spans."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ConfigError
from services.cull.policy.file import load_policy
from services.cull.policy.model import Flags
from services.cull.policy.windows import ALL_DAYS, Span, Weekly, read_weekly

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
def test_hours_follow_the_wall_clock_of_their_zone(
    window: Weekly, local: str, inside: bool
) -> None:
    """The start is included, the end is not; hours past midnight belong to the day they began."""
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
    """Hours begin at 8:00 on both sides of the change."""
    moment = datetime.strptime(utc, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert LESSON.contains(moment) is inside


def test_a_repeated_hour_counts_twice() -> None:
    """On the last Sunday of October 02:30 occurs twice, and both are inside."""
    window = Weekly(ZURICH, frozenset({6}), time(2), time(3))
    for hour in (0, 1):
        assert window.contains(datetime(2026, 10, 25, hour, 30, tzinfo=UTC))


def test_a_span_includes_its_start_and_not_its_end() -> None:
    """Adjacent spans do not overlap."""
    begin, end = datetime(2026, 6, 1, 8, tzinfo=UTC), datetime(2026, 6, 1, 10, tzinfo=UTC)
    span = Span(begin, end)
    assert span.contains(begin)
    assert not span.contains(end)


def test_the_next_change_of_a_span() -> None:
    """Its start, then its end, then None."""
    begin, end = datetime(2026, 6, 1, 8, tzinfo=UTC), datetime(2026, 6, 1, 10, tzinfo=UTC)
    span = Span(begin, end)
    assert span.changes_after(begin - timedelta(seconds=1)) == begin
    assert span.changes_after(begin) == end
    assert span.changes_after(end) is None


NEXT = {
    "a week later": (Weekly(UTC_ZONE, MONDAY, time(8), time(18)), "02 18:00", "09 08:00"),
    "the morning after": (Weekly(UTC_ZONE, MONDAY, time(22), time(6)), "02 22:00", "03 06:00"),
    "the end of an entire day": (Weekly(UTC_ZONE, MONDAY), "02 12:00", "03 00:00"),
    "the second occurrence of an hour": (
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
def test_the_next_change_of_hours(case: str) -> None:
    """When they next begin or end, also because clocks change."""
    window, moment, change = NEXT[case]
    assert window.changes_after(utc(moment)) == utc(change)


def utc(text: str) -> datetime:
    full = text if len(text) > len("02 18:00") else f"2026-03-{text}"
    return datetime.fromisoformat(full).replace(tzinfo=UTC)


def test_hours_of_the_entire_week_never_change() -> None:
    """The entire week has no boundaries."""
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
    """Inside or outside stays the same until then, and no longer, in any zone."""
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
    """Every moment is either in a daily window or in the one from its end to its start."""
    if start == end or not 1 < moment.year < 9999:
        return
    zone = ZoneInfo("UTC")
    inside = Weekly(zone, start=start, end=end).contains(moment)
    outside = Weekly(zone, start=end, end=start).contains(moment)
    assert inside is not outside


BAD = {
    "no zone": ('[[rule]]\nname = "x"\naction = "stop"\nhours = {from = "08:00"}', "timezone"),
    "unknown zone": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {timezone = "Mars/Olympus"}',
        "unknown time zone",
    ),
    "a misspelled zone": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {timezone = "Europe/Zurch"}',
        'did you mean "Europe/Zurich"?',
    ),
    "a zone that is a path": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {timezone = "../../etc/passwd"}',
        "unknown time zone",
    ),
    "bad hour": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {from = "25:00", timezone = "UTC"}',
        "invalid time of day",
    ),
    "bad day": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {days = "someday", timezone = "UTC"}',
        "invalid weekday",
    ),
    "a word that begins like a day": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {days = "monkey", timezone = "UTC"}',
        "invalid weekday 'monkey'",
    ),
    "a range of days without end": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {days = "mon-", timezone = "UTC"}',
        "invalid weekday 'mon-'",
    ),
    "the first moment of the calendar": (
        '[[rule]]\nname = "x"\naction = "stop"\n'
        "between = {from = 0001-01-01T00:00:00+02:00, to = 2026-06-01T09:00:00Z}",
        "between.from",
    ),
    "unknown key of hours": (
        '[[rule]]\nname = "x"\naction = "stop"\nhours = {form = "08:00", timezone = "UTC"}',
        'did you mean "from"',
    ),
    "a span without offset": (
        '[[rule]]\nname = "x"\naction = "stop"\n'
        "between = {from = 2026-06-01T08:00:00, to = 2026-06-01T09:00:00Z}",
        "offset",
    ),
    "a span without end": (
        '[[rule]]\nname = "x"\naction = "stop"\nbetween = {from = 2026-06-01T08:00:00Z}',
        "between.to: missing",
    ),
    "a span that ends first": (
        '[[rule]]\nname = "x"\naction = "stop"\n'
        "between = {from = 2026-06-01T08:00:00Z, to = 2026-06-01T08:00:00Z}",
        "ends before",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_in_a_window_is_reported_with_its_place_and_fix(case: str) -> None:
    """Every mistake is found, and its line says where it is and what to write."""
    text, words = BAD[case]
    with pytest.raises(ConfigError) as raised:
        load_policy(text, Flags())
    assert any(words in problem for problem in raised.value.problems), raised.value.problems


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ('"mon-fri"', {0, 1, 2, 3, 4}),
        ('"Friday - Monday"', {4, 5, 6, 0}),
        ('["tue", "thursday"]', {1, 3}),
        ('"sun"', {6}),
        ('"wed-wed"', {2}),
    ],
)
def test_weekdays_are_read(written: str, days: set[int]) -> None:
    """Short or long names, lists and ranges, also across the end of the week."""
    text = f'[[rule]]\nname = "x"\naction = "stop"\nhours = {{days = {written}, timezone = "UTC"}}'
    assert load_policy(text, Flags()).rules[0].match.hours[0].days == days


@pytest.mark.parametrize(
    ("entry", "start", "end"),
    [
        ({"timezone": "UTC"}, time(0), time(0)),
        ({"timezone": "UTC", "from": " 08:30 ", "to": "24:00"}, time(8, 30), time(0)),
        ({"timezone": "UTC", "from": time(8, 30, 15)}, time(8, 30, 15), time(0)),
    ],
    ids=["all day", "strings", "a TOML time"],
)
def test_hours_are_read(entry: dict[str, Any], start: time, end: time) -> None:
    """Without times the window is the entire day, of every day of the week."""

    def wrong(key: str, what: str) -> None:
        pytest.fail(f"{key}: {what}")

    assert read_weekly("hours", entry, wrong) == Weekly(UTC_ZONE, ALL_DAYS, start, end)


def test_every_mistake_in_one_window_is_reported() -> None:
    """Reading continues after a mistake."""
    problems: list[str] = []
    entry = {"days": "x", "from": 5, "to": "25:00", "timezone": 3, "zone": "UTC"}
    found = read_weekly("hours", entry, lambda key, what: problems.append(key))
    assert found is None
    keys = ["hours.zone", "hours.days", "hours.from", "hours.to", "hours.timezone"]
    assert problems == keys
