"""Numbers and times as the pages display them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from services.stats.query.figures import Kind
from services.stats.query.presentation import UNKNOWN, display, plain, unbroken, utc


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (7238.8, Kind.HOURS, "7,239 h"),
        (2.1, Kind.HOURS, "2 h 6 min"),
        (120, Kind.MINUTES, "2 h"),
        (97.3, Kind.PERCENT, "97.3%"),
        (12000, Kind.NUMBER, "12,000"),
    ],
)
def test_display_adds_the_unit(value: float, kind: Kind, text: str) -> None:
    """Every kind of number has its unit."""
    assert display(value, kind) == text


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.numeric])
def test_unknown_is_a_dash(kind: Kind) -> None:
    """What was not observed is a dash, whatever it would have been."""
    assert display(None, kind) == UNKNOWN


def test_utc() -> None:
    """Times are converted to UTC, without fractions of a second."""
    value = datetime(2026, 3, 2, 12, 30, 15, 999, tzinfo=ZoneInfo("Asia/Kolkata"))
    assert utc(value) == "2026-03-02T07:00:15Z"
    assert utc(datetime(2026, 3, 2, tzinfo=UTC)) == "2026-03-02T00:00:00Z"


def test_unbroken() -> None:
    """A number stays with its unit; other spaces can break a line."""
    text = unbroken("You worked 5 h 20 min on 3 days in 2 months.")
    assert text.replace("\N{NO-BREAK SPACE}", "_") == "You worked 5_h 20_min on 3_days in 2 months."


def test_plain() -> None:
    """Nothing reverses the text after it or is invisible, and Persian names stay as they are."""
    assert plain("a\u202eb\u2066\u200b\x1b") == "a\ufffdb\ufffd\ufffd\ufffd"
    name = "می\N{ZERO WIDTH NON-JOINER}نا"
    assert plain(name) == name
