"""Tables as CSV that is safe to open in a spreadsheet. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

#: A spreadsheet takes a cell that begins with one of these for a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def csv_table(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A header and rows as CSV. Times are in ISO 8601; None is empty."""
    return csv_rows([header]) + csv_rows(rows)


def csv_rows(rows: Iterable[Iterable[Any]], *, newline: str = "\n") -> str:
    """Rows as CSV, without a header."""
    out = io.StringIO()
    csv.writer(out, lineterminator=newline).writerows(
        [_cell(value) for value in row] for row in rows
    )
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value.isoformat() if isinstance(value, date) else value
