"""The table of users: search, sort order and paging."""

from datetime import date

import pytest

from services.stats.query.people import (
    PAGE_SIZE,
    PersonRow,
    Sort,
    TableQuery,
    figure,
    paginate,
    search,
)
from services.stats.query.question import InvalidQuery


def row(name: str, active: int = 0, last: date | None = None, idle: int = 0) -> PersonRow:
    """A user with these seconds of activity and idle time."""
    return PersonRow(name, False, active, idle, active // 60, int(active > 0), last)


ANA = row("ana", active=7200, last=date(2026, 3, 3))
BEN = row("Ben", active=3600, last=date(2026, 3, 9), idle=60)
EVA = row("eva")
ROWS = [EVA, BEN, ANA]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("name", ["ana", "Ben", "eva"]),
        ("-name", ["eva", "Ben", "ana"]),
        ("last_active", ["eva", "ana", "Ben"]),
        ("-last_active", ["Ben", "ana", "eva"]),
        ("-active_hours", ["ana", "Ben", "eva"]),
        ("-idle_hours", ["Ben", "ana", "eva"]),
        ("sessions", ["eva", "Ben", "ana"]),
        ("-days_active", ["ana", "Ben", "eva"]),
    ],
)
def test_sort(sort: str, names: list[str]) -> None:
    """Rows are sorted by any column; equal ones by name, ignoring case."""
    assert [one.name for one in search(ROWS, TableQuery.parse({"sort": sort}))] == names


@pytest.mark.parametrize(
    ("text", "names"),
    [("", 3), ("EN", 1), ("a", 2), (" ben ", 1), ("zoe", 0)],
)
def test_search_ignores_case(text: str, names: int) -> None:
    """The text is found anywhere in a name; white space around it is ignored."""
    assert len(search(ROWS, TableQuery.parse({"q": text}))) == names


@pytest.mark.parametrize(
    ("number", "page", "shown", "pages"),
    [
        (0, 1, 0, 1),
        (PAGE_SIZE, 1, PAGE_SIZE, 1),
        (PAGE_SIZE + 1, 2, 1, 2),
        (PAGE_SIZE + 1, 99, 1, 2),
    ],
)
def test_pages(number: int, page: int, shown: int, pages: int) -> None:
    """A page beyond the last one is the last one."""
    found = paginate([ANA] * number, page)
    assert (len(found.rows), found.total, found.pages) == (shown, number, pages)
    assert found.page == min(page, pages)


@pytest.mark.parametrize(
    ("sort", "column", "following"),
    [
        ("name", Sort.NAME, "-name"),
        ("-name", Sort.NAME, "name"),
        ("name", Sort.SESSIONS, "-sessions"),
        ("-sessions", Sort.SESSIONS, "sessions"),
        ("-sessions", Sort.NAME, "name"),
    ],
)
def test_click_on_a_heading(sort: str, column: Sort, following: str) -> None:
    """A click sorts numbers in descending order and names in ascending; a second reverses."""
    query = TableQuery.parse({"sort": sort})
    assert query.sort_parameter == sort
    assert query.sort_by(column) == following


def test_every_problem_is_reported() -> None:
    """All invalid parameters are reported at once."""
    with pytest.raises(InvalidQuery) as caught:
        TableQuery.parse({"sort": "-size", "page": "0", "q": "x" * 256})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["sort", "page", "q"]


def test_csv_has_hours_to_one_decimal() -> None:
    """CSV holds decimal hours, for spreadsheets."""
    table = figure("users", [BEN])
    cells = dict(zip((column.key for column in table.columns), table.rows[0], strict=True))
    assert (cells["active_hours"], cells["idle_hours"], cells["deleted"]) == (1.0, 0.0, "no")
