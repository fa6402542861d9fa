"""Days, weeks and months in a time zone, as times in UTC. A day may have 23 or 25 hours."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.intervals import Interval


class By(StrEnum):
    """The length of a report's periods."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Period(NamedTuple):
    """Consecutive days: ``first`` to ``last``, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """Their number."""
        return (self.last - self.first).days + 1


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When the day begins in the zone, in UTC.

    Where clocks skip midnight, this is the first moment of the day that exists: zoneinfo
    resolves the missing hour with fold=0, which gives exactly that.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def bounds(day: date, zone: ZoneInfo) -> Interval:
    """The day as an interval in UTC."""
    return Interval(midnight(day, zone), midnight(day + timedelta(days=1), zone))


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The calendar day in the zone."""
    return moment.astimezone(zone).date()


def days(first: date, last: date) -> Iterator[date]:
    """Each day from ``first`` to ``last``, both included. Empty if ``last`` is earlier."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def periods(first: date, last: date, by: By) -> list[Period]:
    """Split the days into calendar weeks (from Monday) or months. The ends may be shorter."""
    found: list[Period] = []
    start = first
    while start <= last:
        end = min(_end_of(start, by), last)
        found.append(Period(start, end))
        start = end + timedelta(days=1)
    return found


def _end_of(day: date, by: By) -> date:
    if by is By.DAY:
        return day
    if by is By.WEEK:
        return day + timedelta(days=6 - day.weekday())
    next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return next_month - timedelta(days=1)
