"""Lengths of time as people write them: ``90``, ``"45m"``, ``"1h 30m"``, ``"2d"``. Pure."""

import re
from datetime import timedelta

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])", re.IGNORECASE)
#: Longer than any term; a larger number is a slip of the keyboard.
MOST_SECONDS = 10 * 366 * 86400.0


def parse_duration(value: object) -> float:
    """Seconds.

    :raises ValueError: with what to write instead
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(_HINT)  # noqa: TRY004 - bad input of a person, not a bad call
    seconds = float(value) if isinstance(value, int | float) else _parse_text(value)
    if not 0 <= seconds <= MOST_SECONDS:
        raise ValueError("must lie between 0 and ten years")
    return seconds


_HINT = 'write seconds (600), or a text such as "45m", "1h 30m", "2d"'


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
    """A duration for people, in its two largest units: ``2 h 5 min``; ``never`` for None."""
    if seconds is None:
        return "never"
    left = round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    days, left = divmod(left, 86400)
    parts = [f"{days:,} {'day' if days == 1 else 'days'}"] if days else []
    for unit, size in (("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
