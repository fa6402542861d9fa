"""Numbers and times as the pages display them. Pure."""

from datetime import UTC, datetime

from services.stats.query.figures import Kind

UNKNOWN = "\N{EN DASH}"
"""Displayed where nothing was observed."""

HOUR = 60
SECONDS = 60
EXACT_HOURS = 10
"""Durations from this many hours on are rounded to whole hours."""


def number(value: float) -> str:
    """Thousands are separated; whole numbers have no decimal point."""
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def duration(minutes: float) -> str:
    """``45 min``, ``2 h``, ``2 h 5 min`` or ``7,239 h``."""
    total = round(minutes)
    if total < HOUR:
        return f"{total} min"
    if total >= EXACT_HOURS * HOUR:
        return f"{round(total / HOUR):,} h"
    hours, rest = divmod(total, HOUR)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def display(value: float | None, kind: Kind = Kind.NUMBER) -> str:
    """A number with its unit; a dash for None."""
    if value is None:
        return UNKNOWN
    if kind is Kind.HOURS:
        return duration(value * HOUR)
    if kind is Kind.MINUTES:
        return duration(value)
    if kind is Kind.SECONDS:
        return f"{number(value)} s" if value < SECONDS else duration(value / SECONDS)
    return f"{number(value)}%" if kind is Kind.PERCENT else number(value)


def utc(value: datetime) -> str:
    """ISO 8601 in UTC, for <time datetime> and scripts."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
