"""Numbers and times as the pages display them. Pure."""

import re
from datetime import UTC, datetime

from services.stats.query.figures import Kind
from services.stats.query.glance.units import HOUR, duration, number

UNKNOWN = "\N{EN DASH}"
"""Displayed where nothing was observed."""

MINUTE = 60

_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def display(value: float | None, kind: Kind = Kind.NUMBER) -> str:
    """A number with its unit; a dash for None."""
    if value is None:
        return UNKNOWN
    if kind is Kind.HOURS:
        return duration(value * HOUR)
    if kind is Kind.MINUTES:
        return duration(value)
    if kind is Kind.SECONDS:
        return f"{number(value)} s" if value < MINUTE else duration(value / MINUTE)
    return f"{number(value)}%" if kind is Kind.PERCENT else number(value)


def unbroken(text: str) -> str:
    """Keep each number and its unit on one line."""
    return re.sub(r"(?<=\d) (?=(?:h|min|days?)\b)", "\N{NO-BREAK SPACE}", text)


def plain(text: str) -> str:
    """The text for a place that shows nothing but text, such as the title of a browser's tab.

    There, no element can keep U+202E of a name from reversing what follows. Invisible characters
    are replaced, apart from those with which letters of some scripts are joined.
    """
    return "".join(one if one.isprintable() or one in _JOINERS else "\ufffd" for one in text)


def utc(value: datetime) -> str:
    """ISO 8601 in UTC, for <time datetime> and scripts."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
