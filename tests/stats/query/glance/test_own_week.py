"""A student's weeks and calendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.stats.days import Period
from services.stats.query.glance.own_week import (
    OwnDay,
    calendar_start,
    months,
    own_days,
    own_week,
)
from services.stats.records import GroupDay
from tests.stats.one_day import BASE, hub

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
WHOLE = 24 * 3600


def row(day: int, minutes: float, observed: int = WHOLE, unobserved: int = 0) -> GroupDay:
    """A user's day, by days since Monday."""
    return hub(BASE)._replace(
        day=MONDAY + timedelta(days=day),
        active_seconds=int(minutes * 60),
        observed_seconds=observed,
        unobserved_seconds=unobserved,
    )


def test_days() -> None:
    """A day without records is unknown; one observed in part is a lower bound; today is marked."""
    rows = [row(0, 90), row(1, 10, observed=WHOLE // 2), row(2, 0, observed=12 * 3600)]
    found = own_days(rows, MONDAY - timedelta(days=1), date(2026, 3, 4), NOW, UTC_ZONE)
    assert found == [
        OwnDay(date(2026, 3, 1), None, partly=False, today=False),
        OwnDay(MONDAY, 90, partly=False, today=False),
        OwnDay(date(2026, 3, 3), 10, partly=True, today=False),
        OwnDay(date(2026, 3, 4), 0, partly=False, today=True),
    ]


@pytest.mark.parametrize(
    ("minutes", "shade"), [(None, 0), (0, 0), (1, 1), (30, 1), (31, 2), (240, 4), (241, 5)]
)
def test_shade(minutes: float | None, shade: int) -> None:
    """More time is a darker shade."""
    assert OwnDay(MONDAY, minutes, partly=False, today=False).shade == shade


def test_week() -> None:
    """Time and days of work, and what was not observed of it."""
    rows = [row(0, 90), row(1, 10, observed=WHOLE // 2, unobserved=1800)]
    week = own_week(rows, Period(MONDAY, date(2026, 3, 4)), NOW, UTC_ZONE)
    assert (week.minutes, week.active_days) == (100, 2)
    assert (week.unobserved_days, week.partly_days, week.unobserved_minutes) == (1, 1, 30)
    assert week.lower_bound


def test_unobserved_week() -> None:
    """A week without records has no minutes, not zero minutes."""
    assert own_week([], Period(MONDAY, date(2026, 3, 4)), NOW, UTC_ZONE).minutes is None


def test_days_of_another_length() -> None:
    """A day of 23 hours that was observed throughout is whole, and so is one of 25."""
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25)):
        of_day = hub(BASE)._replace(day=day, observed_seconds=hours * 3600)
        later = datetime(2026, 12, 1, tzinfo=UTC)
        (one,) = own_days([of_day], day, day, later, BERLIN)
        assert not one.partly


def test_months() -> None:
    """The newest month is first; weeks begin on Monday; days outside the range are blank."""
    shown = own_days([], date(2026, 2, 27), date(2026, 3, 4), NOW, UTC_ZONE)
    march, february = months(shown)
    assert (march.title, february.title) == ("March 2026", "February 2026")
    assert [[one and one.day.day for one in week] for week in march.weeks] == [
        [None, None, None, None, None, None, 1],
        [2, 3, 4, None, None, None, None],
    ]
    assert [[one and one.day.day for one in week] for week in february.weeks] == [
        [None, None, None, None, 27, 28, None]
    ]


def test_calendar_start() -> None:
    """The calendar begins on the Monday eleven weeks before this one."""
    assert calendar_start(date(2026, 3, 4)) == MONDAY - timedelta(weeks=11)
