"""Days, weeks and months in a time zone, as moments in UTC. A day may have 23 or 25 hours."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.intervals import Interval


class By(StrEnum):
    """What a report counts by."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Period(NamedTuple):
    """Whole days: ``first`` to ``last``, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment the day begins there, in UTC.

    Where clocks skip midnight, it is the first moment that exists; zoneinfo's fold=0 reading
    of the missing hour gives that.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def bounds(day: date, zone: ZoneInfo) -> Interval:
    """The day as an interval in UTC."""
    return Interval(midnight(day, zone), midnight(day + timedelta(days=1), zone))


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The calendar day there."""
    return moment.astimezone(zone).date()


def days(first: date, last: date) -> Iterator[date]:
    """Each day from first to last, both included; none if last is before first."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def periods(first: date, last: date, by: By) -> list[Period]:
    """First to last cut at the calendar's weeks (from Monday) or months; the ends may be short."""
    cut: list[Period] = []
    start = first
    while start <= last:
        end = min(_end_of(start, by), last)
        cut.append(Period(start, end))
        start = end + timedelta(days=1)
    return cut


def _end_of(day: date, by: By) -> date:
    if by is By.DAY:
        return day
    if by is By.WEEK:
        return day + timedelta(days=6 - day.weekday())
    next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return next_month - timedelta(days=1)
