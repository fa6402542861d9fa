"""Tables as CSV that is safe to open in a spreadsheet. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

#: A spreadsheet takes a cell that begins with one of these for a formula (OWASP, "CSV Injection").
_FORMULA = re.compile("[\t\r\n]|\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
#: Where a spreadsheet begins another cell: in many languages, Excel separates them by semicolons,
#: also inside the quotes of a cell that is not the first one.
_NEXT_CELL = re.compile("([;\t\r\n]\\s*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")

#: Without brackets, quotes, "!", "|", "=" and "," a formula can neither call a function nor start a
#: program nor refer to another file: at worst it shows an error.
_HARMLESS = re.compile(r"[\w .@+-]*")


class Exact(str):
    """A text that an import compares, such as a user name or an email address.

    It stays unchanged if it is harmless as a formula, too, like ``-ana`` or ``+49170``.
    """


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
    if isinstance(value, str):
        harmless = isinstance(value, Exact) and _HARMLESS.fullmatch(value)
        marked = value if harmless or not _FORMULA.match(value) else "'" + value
        return _NEXT_CELL.sub(r"\1'", marked)
    return value.isoformat() if isinstance(value, date) else value
