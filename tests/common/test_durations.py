"""Durations as people write and read them."""

from datetime import timedelta

import pytest

from common.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0),
        (90, 90),
        ("90", 90),
        ("45m", 2700),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("2d", 172800),
    ],
)
def test_durations_are_parsed(written: object, seconds: float) -> None:
    """As seconds, or with units."""
    assert parse_duration(written) == seconds


@pytest.mark.parametrize("written", ["", " ", "m", "5 x", "1h x", "-1", None, [], True, 1e300])
def test_invalid_durations_are_refused(written: object) -> None:
    """With a ValueError that says what to write."""
    with pytest.raises(ValueError, match=r"write|between"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "never"),
        (0, "0 s"),
        (-1.4, "0 s"),
        (timedelta(seconds=-90), "0 s"),
        (59.6, "1 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (90061, "1 day 1 h"),
        (86400 * 1234, "1,234 days"),
    ],
)
def test_durations_are_formatted(seconds: float | timedelta | None, text: str) -> None:
    """The two largest units are enough."""
    assert format_duration(seconds) == text
