"""When a rule holds: weekdays and hours in a named time zone, and absolute spans. Pure."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

MIDNIGHT = time(0)
ALL_DAYS = frozenset(range(7))


@dataclass(frozen=True)
class Weekly:
    """Some hours of some weekdays, by the wall clock of ``zone``.

    ``days`` are 0 for Monday to 6 for Sunday. From ``start`` (included) to ``end`` (not
    included). An end that is not after the start lies on the next day and belongs to the
    day of its start, so Friday 22:00 to 06:00 covers the early Saturday; both at midnight
    is the whole day. In the hour that a change of summer time repeats, both passes count;
    the one it skips does not exist.
    """

    zone: ZoneInfo
    days: frozenset[int] = ALL_DAYS
    start: time = MIDNIGHT
    end: time = MIDNIGHT

    def contains(self, moment: datetime) -> bool:
        """Whether the wall clock of the zone shows one of these hours."""
        local = moment.astimezone(self.zone)
        clock = local.time().replace(fold=0)
        today = local.weekday() in self.days
        if self.start < self.end:
            return today and self.start <= clock < self.end
        yesterday = (local - timedelta(days=1)).weekday() in self.days
        return (today and clock >= self.start) or (yesterday and clock < self.end)


@dataclass(frozen=True)
class Span:
    """One absolute stretch of time, such as an exam: start included, end not."""

    start: datetime
    end: datetime

    def contains(self, moment: datetime) -> bool:
        """Whether the moment lies in it."""
        return self.start <= moment < self.end
