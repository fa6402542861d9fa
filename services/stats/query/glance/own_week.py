"""One user's weeks in numbers, and their days as a calendar. Pure."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import Period, day_of, days
from services.stats.query.glance.headline import WEEK
from services.stats.query.periods import COVERAGE, day_lengths
from services.stats.records import GroupDay

STEPS = (0, 30, 60, 120, 240)
"""Minutes above which a day has the next shade."""

CALENDAR_WEEKS = 12
"""How far back the calendar goes unless a range is given."""


class OwnDay(NamedTuple):
    """One day of the calendar."""

    day: date
    minutes: float | None
    """Active time; None: nothing was observed."""
    partly: bool
    """Whether less than 90 % was observed of the time that has passed: ``minutes`` may be more."""
    today: bool

    @property
    def shade(self) -> int:
        """From 0 without activity to 5."""
        return sum((self.minutes or 0) > step for step in STEPS)


@dataclass(frozen=True)
class Month:
    """A month of the calendar; weeks begin on Monday. None: a day outside the range."""

    first: date
    weeks: tuple[tuple[OwnDay | None, ...], ...]

    @property
    def title(self) -> str:
        return f"{calendar.month_name[self.first.month]} {self.first.year}"


class OwnWeek(NamedTuple):
    """A week of one user."""

    period: Period
    minutes: float | None
    """Active time; None: nothing was observed."""
    active_days: int
    unobserved_days: int
    """Days of which nothing was observed."""
    partly_days: int
    """Days of which less than 90 % was observed."""
    unobserved_minutes: float
    """Time in which a server ran and nothing was observed."""

    @property
    def lower_bound(self) -> bool:
        """Whether the user may have worked more than the records show."""
        return bool(self.unobserved_days or self.partly_days or self.unobserved_minutes >= 1)


def own_days(
    rows: Sequence[GroupDay], first: date, last: date, now: datetime, zone: ZoneInfo
) -> list[OwnDay]:
    """Each day of the range. ``rows`` are the user's; ``now`` decides which day is today."""
    found = {row.day: row for row in rows}
    today = day_of(now, zone)
    made = []
    for day, length in day_lengths(first, last, now, zone).items():
        row = found.get(day)
        observed = row.observed_seconds if row else 0
        minutes = row.active_seconds / 60 if row and (observed or row.active_seconds) else None
        partly = minutes is not None and observed < COVERAGE * length.passed
        made.append(OwnDay(day, minutes, partly, day == today))
    return made


def months(shown: Sequence[OwnDay]) -> list[Month]:
    """The calendar, newest month first."""
    by_month = groupby(shown, key=lambda one: one.day.replace(day=1))
    return [_month(first, list(its_days)) for first, its_days in by_month][::-1]


def _month(first: date, its_days: Sequence[OwnDay]) -> Month:
    found = {one.day: one for one in its_days}
    length = calendar.monthrange(first.year, first.month)[1]
    cells: list[OwnDay | None] = [None] * first.weekday()
    cells += [found.get(day) for day in days(first, first.replace(day=length))]
    cells += [None] * (-len(cells) % 7)
    weeks = [tuple(cells[i : i + 7]) for i in range(0, len(cells), 7)]
    return Month(first, tuple(week for week in weeks if any(week)))


def own_week(rows: Sequence[GroupDay], period: Period, now: datetime, zone: ZoneInfo) -> OwnWeek:
    """One week, as far as it has passed."""
    shown = own_days(rows, period.first, period.last, now, zone)
    seen = [one for one in shown if one.minutes is not None]
    unobserved = sum(
        row.unobserved_seconds or 0 for row in rows if period.first <= row.day <= period.last
    )
    return OwnWeek(
        period,
        sum(one.minutes or 0 for one in seen) if seen else None,
        sum(bool(one.minutes) for one in seen),
        len(shown) - len(seen),
        sum(one.partly for one in seen),
        unobserved / 60,
    )


def calendar_start(today: date) -> date:
    """The Monday on which the calendar begins unless a range is given."""
    return today - timedelta(days=today.weekday()) - (CALENDAR_WEEKS - 1) * WEEK
