"""A period to make pages of: two weeks in March, of which everything was observed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.stats.days import By, Period
from services.stats.query.cohort.standing import Standing, StandingRow, Standings
from services.stats.query.meeting.model import Meeting, before
from services.stats.query.people import PersonRow
from services.stats.query.periods import Summary
from services.stats.query.question import Span
from services.stats.records import GroupDay
from tests.stats.one_day import BASE, hub

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 29)
BERLIN = ZoneInfo("Europe/Berlin")
SPAN = Span(date(2026, 1, 1), date(2026, 4, 5), datetime(2026, 4, 5, 12, tzinfo=UTC), FIRST)
DAY_SECONDS = 86400


def summary(first: date, last: date, active: int | None = 12, **values: Any) -> Summary:
    """A complete period with an hour of work and two of servers, except for ``values``."""
    usual: dict[str, Any] = {
        "observed_percent": 100.0,
        "complete": True,
        "newcomers": 3,
        "daily_active": 4.5,
        "sessions": 20,
        "median_minutes": 65,
        "p90_minutes": 180,
        "active_hours": 90.5,
        "idle_hours": 30.0,
        "unobserved_hours": 0.0,
        "server_hours": 120.5,
        "peak_servers": 9,
        "peak_at": datetime(2026, 3, 10, 13, 5, tzinfo=UTC),
        "saved_hours": 240.0,
    }
    return Summary(first, last, active_users=active, **usual | values)


def group_day(day: date, active: int = 4, observed: int = DAY_SECONDS) -> GroupDay:
    """A day of the hub."""
    return hub(BASE)._replace(day=day, active=active, observed_seconds=observed)


def person(name: str, days: int, last: date | None, minutes: int = 0) -> PersonRow:
    """A user who worked on this number of days, the last time on ``last``."""
    return PersonRow(name, False, 60 * minutes, 0, days, days, last)


def standing(name: str, of: Standing, days: int = 0) -> StandingRow:
    """A user who worked on this number of days, but not on the last 14."""
    last = date(2026, 3, 10) if days else None
    return StandingRow(name, of, last, last, days, 600 * days, last)


PERIOD = Period(FIRST, LAST)
EARLIER = before(PERIOD)
WEEKS = [
    summary(FIRST + timedelta(days=7 * n), FIRST + timedelta(days=7 * n + 6), active)
    for n, active in enumerate([8, 10, 9, 6])
]
DAYS = [group_day(FIRST + timedelta(days=n), 4 + (n == 9)) for n in range(28)]
MEETING = Meeting(
    title="The whole hub",
    period=PERIOD,
    span=SPAN,
    now=datetime(2026, 4, 5, 22, 30, tzinfo=UTC),
    zone=BERLIN,
    by=By.WEEK,
    total=summary(FIRST, LAST),
    before=summary(EARLIER.first, EARLIER.last, 9),
    weeks=WEEKS,
    bars=WEEKS,
    days=DAYS,
    gaps=[],
    standings=Standings(
        14,
        date(2026, 3, 16),
        rows=[
            standing("ben", Standing.DROPPED_OFF, 2),
            standing("eva", Standing.NOT_STARTED),
        ],
    ),
    people=[
        person("ana", 5, date(2026, 3, 27), 240),
        person("ben", 2, date(2026, 3, 10), 40),
        person("eva", 0, None),
    ],
)


def meeting(**changes: Any) -> Meeting:
    """The page with other values."""
    return replace(MEETING, **changes)
