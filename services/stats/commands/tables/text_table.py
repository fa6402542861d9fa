"""Tables for a terminal, as wide as asked and no wider. Pure."""

from collections.abc import Sequence
from textwrap import fill
from unicodedata import combining, east_asian_width

WIDTH = 100
"""The columns of a terminal that the tables of a report fit, unless all columns are asked for."""

GAP = "  "
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
SHORTEST = 12
"""A text is not cut to fewer columns than this."""


def printable(text: str) -> str:
    """The text, or its escaped form if it would move the cursor or reverse the line."""
    return text if text.isprintable() else repr(text)


def width(text: str) -> int:
    """How many columns of a terminal the text takes: East Asian characters take two each."""
    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)


def shorten(text: str, most: int) -> str:
    """The text, cut to this many columns of a terminal; the cut is marked."""
    if width(text) <= most:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > most - 1:
            break
        kept += char
    return kept + ELLIPSIS


def that_fit(cells: Sequence[Sequence[str]], order: Sequence[int], most: int = WIDTH) -> list[int]:
    """The columns that fit together, in the order of the table.

    ``order`` names the candidates, the most useful one first; the first one always stays.
    """
    chosen: list[int] = []
    taken = 0
    for index in order:
        taken += _width(cells, index) + (len(GAP) if chosen else 0)
        if chosen and taken > most:
            break
        chosen.append(index)
    return sorted(chosen)


def table(
    cells: Sequence[Sequence[str]], *, left: int = 1, most: int | None = None
) -> tuple[str, bool]:
    """The table, and whether texts were cut. The first row are the headings.

    The first ``left`` columns are aligned to the left, the others to the right. If ``most`` is
    given, the first column is cut so that no line is longer, but never below :data:`SHORTEST`.
    """
    rows = [list(row) for row in cells]
    widths = [_width(rows, index) for index in range(len(rows[0]))]
    cut = False
    if most is not None:
        first = max(SHORTEST, most - sum(widths[1:]) - len(GAP) * (len(widths) - 1))
        cut = widths[0] > first
        for row in rows:
            row[0] = shorten(row[0], first)
        widths[0] = min(widths[0], first)
    lines = (
        GAP.join(
            _padded(cell, size, left=index < left)
            for index, (cell, size) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    return "".join(f"{line}\n" for line in lines), cut


def paragraph(text: str, indent: int = 2) -> str:
    """The text in lines that fit a terminal, all but the first one indented."""
    return fill(text, WIDTH, subsequent_indent=" " * indent) + "\n"


def _width(cells: Sequence[Sequence[str]], index: int) -> int:
    return max(width(row[index]) for row in cells)


def _padded(text: str, size: int, *, left: bool) -> str:
    space = " " * (size - width(text))
    return text + space if left else space + text
