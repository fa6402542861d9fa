"""When a rule holds: weekdays and hours in a named time zone, and absolute spans. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
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

    def changes_after(self, moment: datetime) -> datetime | None:
        """When these hours next begin or end; None where they are the whole week."""
        inside = self.contains(moment)
        today = moment.astimezone(self.zone).date()
        for ahead in range(8):  # up to the same day of the next week
            for change in self._marks(today + timedelta(days=ahead)):
                if change > moment and self.contains(change) is not inside:
                    return change
        return None

    def _marks(self, day: date) -> list[datetime]:
        """Every moment of a day of the zone at which these hours can begin or end, in order."""
        marks = {
            datetime.combine(day, clock, self.zone).replace(fold=fold).astimezone(UTC)
            for clock in (self.start, self.end)
            for fold in (0, 1)
        }
        shift = _clock_shift(day, self.zone)
        return sorted(marks if shift is None else marks | {shift})


@dataclass(frozen=True)
class Span:
    """One absolute stretch of time, such as an exam: start included, end not."""

    start: datetime
    end: datetime

    def contains(self, moment: datetime) -> bool:
        """Whether the moment lies in it."""
        return self.start <= moment < self.end

    def changes_after(self, moment: datetime) -> datetime | None:
        """When it next begins or ends; None once it is over."""
        if moment < self.start:
            return self.start
        return self.end if moment < self.end else None


def _clock_shift(day: date, zone: ZoneInfo) -> datetime | None:
    """The moment of a day at which the clocks of the zone are changed, to the second."""
    before = datetime.combine(day, MIDNIGHT, zone).astimezone(UTC)
    after = datetime.combine(day + timedelta(days=1), MIDNIGHT, zone).astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    if after.astimezone(zone).utcoffset() == offset:
        return None
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
