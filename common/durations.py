"""Durations as people write them: ``90`` (seconds), ``"45m"``, ``"1h 30m"``, ``"2d"``. Pure."""

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
#: Ten years; a larger number is a typing error.
MAX_SECONDS = 10 * 366 * 86400.0


def parse_duration(value: object) -> float:
    """The duration in seconds.

    :raises ValueError: the value is invalid; the message says what to write instead
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(_HINT)  # noqa: TRY004 - invalid user input, not a wrong call
    seconds = float(value) if isinstance(value, int | float) else _parse_text(value)
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError("must be between 0 and ten years")
    return seconds


_HINT = 'write seconds (600) or a duration such as "45m", "1h 30m" or "2d"'


def _parse_text(text: str) -> float:
    bare = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", bare):
        return float(bare)
    seconds, position = 0.0, 0
    while position < len(bare):
        part = _PART.match(bare, position)
        if part is None:
            raise ValueError(_HINT)
        seconds += float(part[1]) * _UNITS[part[2].lower()]
        position = part.end()
    if not bare:
        raise ValueError(_HINT)
    return seconds


def format_duration(seconds: float | timedelta | None) -> str:
    """A duration for people, in its two largest units: ``2 h 5 min``; ``never`` for None.

    A negative one, the result of two clocks that differ a little, is ``0 s``.
    """
    if seconds is None:
        return "never"
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    left = max(0, round(total))
    days, left = divmod(left, 86400)
    parts = [f"{days:,} {'day' if days == 1 else 'days'}"] if days else []
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
