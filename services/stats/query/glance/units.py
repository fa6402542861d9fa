"""Numbers and durations as people read them. Pure."""

HOUR = 60
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


def counted(value: int, one: str, many: str = "") -> str:
    """``1 day``, ``1,234 days``."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"
