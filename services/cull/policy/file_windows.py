"""The times at which a rule holds, as the policy file writes them. Pure.

Every function returns None for what cannot be used and tells ``wrong`` the key and what to
write instead.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from common.config.suggestions import did_you_mean
from services.cull.policy.windows import ALL_DAYS, MIDNIGHT, Span, Weekly

Wrong = Callable[[str, str], None]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def read_weekly(key: str, entry: Mapping[str, Any], wrong: Wrong) -> Weekly | None:
    """``{ days = "mon-fri", from = "08:00", to = "18:00", timezone = "Europe/Zurich" }``"""
    _refuse_unknown(key, entry, ("days", "from", "to", "timezone"), wrong)
    days = _days(f"{key}.days", entry.get("days"), wrong)
    start = _clock(f"{key}.from", entry.get("from", MIDNIGHT), wrong)
    end = _clock(f"{key}.to", entry.get("to", MIDNIGHT), wrong)
    zone = _zone(f"{key}.timezone", entry.get("timezone"), wrong)
    if days is None or start is None or end is None or zone is None:
        return None
    return Weekly(zone, days, start, end)


def read_span(key: str, entry: Mapping[str, Any], wrong: Wrong) -> Span | None:
    """``{ from = 2026-06-14T08:00:00+02:00, to = 2026-06-14T12:00:00+02:00 }``"""
    _refuse_unknown(key, entry, ("from", "to"), wrong)
    start = _moment(f"{key}.from", entry.get("from"), wrong)
    end = _moment(f"{key}.to", entry.get("to"), wrong)
    if start is None or end is None:
        return None
    if end <= start:
        wrong(key, 'ends before it begins; let "to" be later than "from"')
        return None
    return Span(start, end)


def _refuse_unknown(
    key: str, entry: Mapping[str, Any], known: tuple[str, ...], wrong: Wrong
) -> None:
    for word in entry:
        if word not in known:
            hint = did_you_mean(word, known) or f"; the keys are {', '.join(known)}"
            wrong(f"{key}.{word}", f"unknown{hint}")


def _zone(where: str, name: object, wrong: Wrong) -> ZoneInfo | None:
    if not isinstance(name, str):
        wrong(where, 'missing; write one such as "Europe/Zurich" or "UTC"')
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = did_you_mean(name, sorted(available_timezones())) or '; write one such as "UTC"'
        wrong(where, f'"{name}" is no time zone known here{hint}')
        return None


def _clock(where: str, value: object, wrong: Wrong) -> time | None:
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
    wrong(where, f'{value!r} is no time of day; write one such as "08:30"')
    return None


def _days(where: str, value: object, wrong: Wrong) -> frozenset[int] | None:
    if value is None:
        return ALL_DAYS
    words = value if isinstance(value, list) and value else [value]
    days: set[int] = set()
    for word in words:
        first, dash, last = (part.strip().lower() for part in str(word).partition("-"))
        begin, end = _day(first), _day(last if dash else first)
        if begin is None or end is None:
            wrong(where, f'{word!r} is no weekday; write days such as ["mon", "tue"] or "mon-fri"')
            return None
        days |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(days)


def _day(word: str) -> int | None:
    for names in (DAYS, LONG_DAYS):
        if word in names:
            return names.index(word)
    return None


def _moment(where: str, value: object, wrong: Wrong) -> datetime | None:
    if isinstance(value, datetime) and value.tzinfo is not None:
        try:
            return value.astimezone(UTC)
        except OverflowError:  # the first or the last day of the calendar
            pass
    hint = "write date, time and offset without quotes, such as 2026-06-01T08:00:00+02:00"
    wrong(where, f"missing; {hint}" if value is None else f"{value} is not clear; {hint}")
    return None
