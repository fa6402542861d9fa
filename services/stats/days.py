"""Days, weeks and other periods in a time zone, as times in UTC. A day may have 23 or 25 hours."""

from collections.abc import Iterable, Iterator, Sequence
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
    YEAR = "year"
    TERM = "term"
    ALL = "all"

    @property
    def label(self) -> str:
        """What the pages call it."""
        return "whole range" if self is By.ALL else self.value


BETWEEN_TERMS = "between terms"
"""The name of a period of days that are in no term."""


class Period(NamedTuple):
    """Consecutive days: ``first`` to ``last``, both included."""

    first: date
    last: date
    name: str = ""
    """Of a term; empty for other periods."""

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


def periods(first: date, last: date, by: By, terms: Sequence[Period] = ()) -> list[Period]:
    """Split the days into calendar weeks (from Monday), months or years, or into terms.

    The ends may be shorter. Days between ``terms``, which are sorted, are periods of their own.
    """
    if by is By.TERM:
        return _by_term(first, last, terms)
    found: list[Period] = []
    start = first
    while start <= last:
        end = min(_end_of(start, last, by), last)
        found.append(Period(start, end))
        start = end + timedelta(days=1)
    return found


def _by_term(first: date, last: date, terms: Sequence[Period]) -> list[Period]:
    found: list[Period] = []
    start = first
    for term in terms:
        if term.last < start or term.first > last:
            continue
        if start < term.first:
            found.append(Period(start, term.first - timedelta(days=1), BETWEEN_TERMS))
            start = term.first
        found.append(Period(start, min(term.last, last), term.name))
        start = term.last + timedelta(days=1)
    if start <= last:
        found.append(Period(start, last, BETWEEN_TERMS))
    return found


def _end_of(day: date, last: date, by: By) -> date:
    if by is By.DAY:
        return day
    if by is By.WEEK:
        return day + timedelta(days=6 - day.weekday())
    if by is By.YEAR:
        return day.replace(month=12, day=31)
    if by is By.ALL:
        return last
    next_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return next_month - timedelta(days=1)


def unbroken_since(spells: Iterable[tuple[date, date]], day: date) -> date:
    """The first of the days up to ``day`` that these spells cover without interruption.

    A spell is its first and its last day. ``day`` itself need not be covered.
    """
    start = day
    for first, last in sorted(spells, key=lambda spell: spell[1], reverse=True):
        if first < start and last >= start - timedelta(days=1):
            start = first
    return start
