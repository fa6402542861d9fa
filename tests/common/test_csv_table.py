"""Tables as CSV."""

import csv
import io
import re
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


@pytest.mark.parametrize(
    "text", ["Ana;=1+1", "Ana; @SUM(A1)", "Ana\n-1", "Ana\r\n\uff1d1", "Ana\t+1"]
)
@pytest.mark.parametrize("kind", [str, Exact])
def test_formulas_after_a_separator_are_text(text: str, kind: type[str]) -> None:
    """Excel begins a cell there, depending on its language, whatever the quotes are."""
    cells = re.split(r"[;\t\r\n]+\s*", csv_rows([["ps1", kind(text), "x"]]).strip())
    assert cells[1].startswith("'")


def test_a_formula_after_a_space_is_text() -> None:
    """Some programs remove the space."""
    assert csv_rows([[" =1+1"]]) == "' =1+1\n"


@pytest.mark.parametrize("text", ["Ana; Ben", "a;b-c", "x\ny", "O'Brien", "ana-marie@example.org"])
def test_other_texts_are_unchanged(text: str) -> None:
    """Also with separators."""
    assert next(csv.reader(io.StringIO(csv_rows([[text]]), newline=""))) == [text]


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
