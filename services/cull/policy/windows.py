"""The times at which a rule applies: weekly hours, absolute spans, and their form in the file.

Pure. The ``read_`` functions return None for what cannot be used, after reporting the key and
what to write instead to ``wrong``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from common.config.suggestions import did_you_mean

MIDNIGHT = time(0)
ALL_DAYS = frozenset(range(7))
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: Reports what is wrong with a key.
Wrong = Callable[[str, str], None]


@dataclass(frozen=True)
class Weekly:
    """Some hours of some weekdays, by the wall clock of ``zone``.

    ``days`` are 0 for Monday to 6 for Sunday. ``start`` is included, ``end`` is not. An end that
    is not after the start is on the next day and belongs to the day of its start: Friday 22:00
    to 06:00 includes early Saturday. If both are midnight, the window is the entire day. An hour
    that a change of summer time repeats counts both times; one that it skips does not exist.
    """

    zone: ZoneInfo
    days: frozenset[int] = ALL_DAYS
    start: time = MIDNIGHT
    end: time = MIDNIGHT

    def contains(self, moment: datetime) -> bool:
        """Whether the zone's wall clock shows one of these hours."""
        local = moment.astimezone(self.zone)
        clock = local.time().replace(fold=0)
        today = local.weekday() in self.days
        if self.start < self.end:
            return today and self.start <= clock < self.end
        yesterday = (local - timedelta(days=1)).weekday() in self.days
        return (today and clock >= self.start) or (yesterday and clock < self.end)

    def changes_after(self, moment: datetime) -> datetime | None:
        """When these hours next begin or end; None if they cover the entire week."""
        inside = self.contains(moment)
        today = moment.astimezone(self.zone).date()
        for ahead in range(8):  # up to the same day of the next week
            for change in self._boundaries(today + timedelta(days=ahead)):
                if change > moment and self.contains(change) is not inside:
                    return change
        return None

    def _boundaries(self, day: date) -> list[datetime]:
        """Every moment of a day in the zone at which these hours can begin or end, in order."""
        boundaries = {
            datetime.combine(day, clock, self.zone).replace(fold=fold).astimezone(UTC)
            for clock in (self.start, self.end)
            for fold in (0, 1)
        }
        shift = _clock_shift(day, self.zone)
        return sorted(boundaries if shift is None else boundaries | {shift})


@dataclass(frozen=True)
class Span:
    """A single period, such as an exam; ``start`` is included, ``end`` is not."""

    start: datetime
    end: datetime

    def contains(self, moment: datetime) -> bool:
        """Whether the moment is in the period."""
        return self.start <= moment < self.end

    def changes_after(self, moment: datetime) -> datetime | None:
        """When it next begins or ends; None once it is over."""
        if moment < self.start:
            return self.start
        return self.end if moment < self.end else None


def _clock_shift(day: date, zone: ZoneInfo) -> datetime | None:
    """The moment of a day at which the zone's clocks change, to the second."""
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


def read_weekly(key: str, entry: Mapping[str, Any], wrong: Wrong) -> Weekly | None:
    """``{ days = "mon-fri", from = "08:00", to = "18:00", timezone = "Europe/Zurich" }``"""
    _check_keys(key, entry, ("days", "from", "to", "timezone"), wrong)
    days = _read_days(f"{key}.days", entry.get("days"), wrong)
    start = _read_clock(f"{key}.from", entry.get("from", MIDNIGHT), wrong)
    end = _read_clock(f"{key}.to", entry.get("to", MIDNIGHT), wrong)
    zone = _read_zone(f"{key}.timezone", entry.get("timezone"), wrong)
    if days is None or start is None or end is None or zone is None:
        return None
    return Weekly(zone, days, start, end)


def read_span(key: str, entry: Mapping[str, Any], wrong: Wrong) -> Span | None:
    """``{ from = 2026-06-14T08:00:00+02:00, to = 2026-06-14T12:00:00+02:00 }``"""
    _check_keys(key, entry, ("from", "to"), wrong)
    start = _read_moment(f"{key}.from", entry.get("from"), wrong)
    end = _read_moment(f"{key}.to", entry.get("to"), wrong)
    if start is None or end is None:
        return None
    if end <= start:
        wrong(key, 'ends before it begins; "to" must be later than "from"')
        return None
    return Span(start, end)


def _check_keys(key: str, entry: Mapping[str, Any], known: tuple[str, ...], wrong: Wrong) -> None:
    for word in entry:
        if word not in known:
            hint = did_you_mean(word, known) or f"; valid keys: {', '.join(known)}"
            wrong(f"{key}.{word}", f"unknown key{hint}")


def _read_zone(where: str, name: object, wrong: Wrong) -> ZoneInfo | None:
    if not isinstance(name, str):
        wrong(where, 'missing; write a time zone such as "Europe/Zurich" or "UTC"')
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(name, sorted(available_timezones())) or '; write one such as "UTC"'
        wrong(where, f'unknown time zone "{name}"{hint}')
        return None


def _read_clock(where: str, value: object, wrong: Wrong) -> time | None:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if isinstance(value, str):
        text = value.strip()
        if text == "24:00":
            return MIDNIGHT
        try:
            return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a wall clock
        except ValueError:
            pass
    wrong(where, f'invalid time of day {value!r}; write one such as "08:30"')
    return None


def _read_days(where: str, value: object, wrong: Wrong) -> frozenset[int] | None:
    if value is None:
        return ALL_DAYS
    words = value if isinstance(value, list) and value else [value]
    days: set[int] = set()
    for word in words:
        first, dash, last = (part.strip().lower() for part in str(word).partition("-"))
        begin, end = _day(first), _day(last if dash else first)
        if begin is None or end is None:
            wrong(
                where, f'invalid weekday {word!r}; write days such as ["mon", "tue"] or "mon-fri"'
            )
            return None
        days |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(days)


def _day(word: str) -> int | None:
    for names in (DAYS, LONG_DAYS):
        if word in names:
            return names.index(word)
    return None


def _read_moment(where: str, value: object, wrong: Wrong) -> datetime | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(UTC)
        except OverflowError:  # the first or the last day of the calendar
            pass
    hint = "write date, time and UTC offset without quotes, such as 2026-06-01T08:00:00+02:00"
    problem = "missing" if value is None else f"invalid time {value}"
    wrong(where, f"{problem}; {hint}")
    return None
