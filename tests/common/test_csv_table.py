"""Tables as CSV."""

from datetime import UTC, date, datetime

import pytest

from common.csv_table import Exact, csv_rows, csv_table

DAY = date(2026, 3, 2)
PEAK = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


def test_csv_of_any_rows() -> None:
    """Dates and times are in ISO 8601, and unknown values are empty."""
    assert csv_table(["day", "at", "x"], [[DAY, PEAK, None]]) == (
        "day,at,x\n2026-03-02,2026-03-02T23:30:00+00:00,\n"
    )


@pytest.mark.parametrize("start", [*"=+-@\t\r\n", "\uff1d", "\uff20"])
def test_formulas_are_text(start: str) -> None:
    """A cell that a spreadsheet would evaluate is marked as text; numbers are not."""
    assert csv_rows([[f"{start}1", -1]]).strip('"').startswith("'" + start)
    assert csv_rows([[f"{start}1", -1]]).endswith(",-1\n")


def test_line_ends_can_be_chosen() -> None:
    """RFC 4180 wants CRLF."""
    assert csv_rows([["a"], ["b"]], newline="\r\n") == "a\r\nb\r\n"


@pytest.mark.parametrize("text", ["-ana", "+49 170", "@ana", "ana@example.org"])
def test_exact_texts_are_unchanged(text: str) -> None:
    """An import compares them."""
    assert csv_rows([[Exact(text)]]) == text + "\n"


@pytest.mark.parametrize("text", ["=A1", "+cmd|'x'!A0", "-HYPERLINK(1)", "@SUM(A1)", "-1,5", "\t1"])
def test_exact_texts_that_could_act_are_text(text: str) -> None:
    """Even if an import then does not find them."""
    assert csv_rows([[Exact(text)]]).strip('"').startswith("'" + text[0])
