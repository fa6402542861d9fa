"""One user's timeline: bars for each day, and the table of sessions."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.stats.intervals import Interval
from services.stats.query.timeline import (
    MIN_BAR_WIDTH,
    MOST_EMPTY_DAYS,
    WIDTH,
    Timeline,
    sessions,
    timeline_days,
)
from services.stats.records import Session

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = NOON + timedelta(hours=6)
HOUR = WIDTH / 24


def session(hours: float, *, start: datetime = NOON, ended: bool = True) -> Session:
    """A session of this length."""
    end = start + timedelta(hours=hours)
    return Session(1, 1, "gpu", 7, start, end, end if ended else None)


def test_bars_are_to_scale() -> None:
    """A session, work in it and a gap are drawn where they are in the day."""
    timeline = Timeline(
        None,
        sessions=[session(2)],
        work=[Interval(NOON, NOON + timedelta(hours=1))],
        gaps=[Interval(NOON - timedelta(hours=12), NOON - timedelta(hours=6))],
    )
    (day,) = timeline_days(timeline, DAY, DAY, ZoneInfo("UTC"), NOW)
    assert day.running == [(12 * HOUR, 2 * HOUR)]
    assert day.work == [(12 * HOUR, HOUR)]
    assert day.gaps == [(0, 6 * HOUR)]


def test_days_are_those_of_the_viewer() -> None:
    """In Tokyo, a session at noon UTC is in the evening."""
    (day,) = timeline_days(
        Timeline(None, sessions=[session(1)]), DAY, DAY, ZoneInfo("Asia/Tokyo"), NOW
    )
    assert day.running == [(21 * HOUR, HOUR)]


def test_session_over_midnight_is_on_both_days() -> None:
    """Each day shows its part of the session."""
    first, second = timeline_days(
        Timeline(None, sessions=[session(13)]),
        DAY,
        DAY + timedelta(days=1),
        ZoneInfo("UTC"),
        NOW,
    )
    assert first.running == [(12 * HOUR, 12 * HOUR)]
    assert second.running == [(0, HOUR)]


def test_running_server_is_drawn_until_now() -> None:
    """A session without an end lasts until the last poll."""
    timeline = Timeline(None, sessions=[session(1, ended=False)])
    (day,) = timeline_days(timeline, DAY, DAY, ZoneInfo("UTC"), NOW)
    assert day.running == [(12 * HOUR, 6 * HOUR)]


def test_moment_is_visible() -> None:
    """A bar has a minimum width and stays within the day."""
    end = NOON + timedelta(hours=12, seconds=-1)
    timeline = Timeline(None, work=[Interval(end, end)])
    (day,) = timeline_days(timeline, DAY, DAY, ZoneInfo("UTC"), NOW)
    assert day.work == [(WIDTH - MIN_BAR_WIDTH, MIN_BAR_WIDTH)]


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)], ids=["spring", "autumn"]
)
def test_clock_change(day: date, hours: int) -> None:
    """A day of 23 or 25 hours fills the same width."""
    start = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    timeline = Timeline(None, sessions=[session(1, start=start)])
    (drawn,) = timeline_days(timeline, day, day, ZoneInfo("Europe/Berlin"), start)
    assert drawn.running[0].width == pytest.approx(WIDTH / hours, abs=0.1)


@pytest.mark.parametrize(
    ("days", "drawn"), [(MOST_EMPTY_DAYS, MOST_EMPTY_DAYS), (MOST_EMPTY_DAYS + 1, 1)]
)
def test_empty_days_of_long_ranges_are_left_out(days: int, drawn: int) -> None:
    """A month is drawn in full; in longer ranges only days with something to show are."""
    last = DAY + timedelta(days=days - 1)
    rows = timeline_days(Timeline(None, sessions=[session(1)]), DAY, last, ZoneInfo("UTC"), NOW)
    assert len(rows) == drawn


def test_table_of_sessions() -> None:
    """The newest session is first; a running one has no end and counts until now."""
    later = session(1, start=NOON + timedelta(hours=3), ended=False)
    timeline = Timeline(
        None,
        sessions=[session(2), later],
        profiles={7: "large"},
        work=[Interval(NOON, NOON + timedelta(minutes=45))],
    )
    first, second = sessions(timeline, NOW).rows
    assert list(first)[1:] == [None, later.last_activity, "gpu", "large", 180, 0]
    assert list(second)[1:] == [NOON + timedelta(hours=2)] * 2 + ["gpu", "large", 120, 45]
