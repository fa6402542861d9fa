"""Numbers and durations for people."""

import pytest

from services.stats.query.glance.units import counted, duration, number


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, "0 min"),
        (45, "45 min"),
        (59.6, "1 h"),
        (60, "1 h"),
        (120, "2 h"),
        (125, "2 h 5 min"),
        (599, "9 h 59 min"),
        (600, "10 h"),
        (7238.8 * 60, "7,239 h"),
    ],
)
def test_duration(minutes: float, text: str) -> None:
    """Short durations are exact to the minute, long ones are rounded to hours."""
    assert duration(minutes) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7.0, "7"), (0.25, "0.25"), (1234, "1,234"), (1234.5, "1,234.5")],
)
def test_number(value: float, text: str) -> None:
    """Thousands are separated, and whole numbers have no decimal point."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 days"), (1, "1 day"), (2, "2 days"), (1234, "1,234 days")]
)
def test_counted(value: int, text: str) -> None:
    """One is singular; anything else is plural."""
    assert counted(value, "day") == text
