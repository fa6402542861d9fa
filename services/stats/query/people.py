"""The table of users: search, sort order and paging. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from services.stats.query.figures import Column, Figure, Kind
from services.stats.query.question import InvalidQuery, one_of

Row = TypeVar("Row")

PAGE_SIZE = 50
LONGEST_SEARCH = 255


class GroupRow(NamedTuple):
    """A group that the viewer may choose, and its current number of members."""

    name: str
    members: int


class PersonRow(NamedTuple):
    """One row of the table of users. Sums are over the requested days."""

    name: str
    deleted: bool
    active_seconds: int
    idle_seconds: int | None
    """None, like ``sessions``: no servers were recorded on any of the days."""
    sessions: int | None
    days_active: int
    last_active: date | None
    """The last of the requested days on which the user was active."""
    last_present: date | None = None
    """The last of them on which they were at the Hub, whether or not they worked."""
    excluded: bool = False
    """Whether they are not counted on at least one of the days."""


class Sort(StrEnum):
    """The columns by which the table can be sorted."""

    NAME = "name"
    LAST_ACTIVE = "last_active"
    LAST_PRESENT = "last_present"
    DAYS_ACTIVE = "days_active"
    SESSIONS = "sessions"
    ACTIVE_HOURS = "active_hours"
    IDLE_HOURS = "idle_hours"


TITLES = {
    Sort.NAME: "User",
    Sort.LAST_ACTIVE: "Last active",
    Sort.LAST_PRESENT: "Last present",
    Sort.DAYS_ACTIVE: "Days active",
    Sort.SESSIONS: "Sessions",
    Sort.ACTIVE_HOURS: "Active time",
    Sort.IDLE_HOURS: "Idle time",
}


@dataclass(frozen=True)
class TableQuery:
    """The requested part of the table. ``text`` matches anywhere in a name, ignoring case."""

    text: str = ""
    sort: StrEnum = Sort.NAME
    descending: bool = False
    page: int = 1

    @classmethod
    def parse(
        cls, query: Mapping[str, str], *, default: str = Sort.NAME, columns: type[StrEnum] = Sort
    ) -> "TableQuery":
        """From ``q``, ``sort`` (prefix ``-``: descending) and ``page``. Raises InvalidQuery."""
        problems: list[str] = []
        sort = query.get("sort") or default
        descending = sort.startswith("-")
        column = one_of("sort", sort.removeprefix("-"), list(columns), problems)
        page = query.get("page") or "1"
        if not (page.isascii() and page.isdecimal() and len(page) < 7 and int(page) > 0):
            problems.append(f"page: {page[:20]!r} is not a page number; write 1 or more.")
        text = query.get("q", "").strip()
        if len(text) > LONGEST_SEARCH:
            problems.append(f"q: the search text is limited to {LONGEST_SEARCH} characters.")
        if problems:
            raise InvalidQuery(problems)
        return cls(text, columns(column), descending, int(page))

    @property
    def sort_parameter(self) -> str:
        """The sort order as the value of ``sort``."""
        return ("-" if self.descending else "") + self.sort

    def sort_by(self, column: StrEnum) -> str:
        """The value of ``sort`` after a click on the heading of ``column``.

        A second click reverses the order.
        """
        if self.sort is column:
            return column if self.descending else f"-{column}"
        # The largest numbers are of most interest.
        return column if column == Sort.NAME else f"-{column}"


@dataclass(frozen=True)
class TablePage(Generic[Row]):
    """One page of the table."""

    rows: Sequence[Row]
    total: int
    page: int
    pages: int


def search(rows: Sequence[PersonRow], query: TableQuery) -> list[PersonRow]:
    """The rows that match, in the requested order; equal ones by name."""
    wanted = query.text.casefold()
    found = [row for row in rows if wanted in row.name.casefold()]
    found.sort(key=lambda row: row.name.casefold())
    if query.sort is Sort.NAME:
        return found[::-1] if query.descending else found
    found.sort(key=lambda row: _key(row, query.sort), reverse=query.descending)
    return found


def paginate(rows: Sequence[Row], page: int) -> TablePage[Row]:
    """One page of the rows, or the last page if ``page`` is beyond it."""
    pages = max(1, math.ceil(len(rows) / PAGE_SIZE))
    page = min(page, pages)
    shown = rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return TablePage(shown, len(rows), page, pages)


def _key(row: PersonRow, sort: StrEnum) -> float:
    if sort in (Sort.LAST_ACTIVE, Sort.LAST_PRESENT):
        last = row.last_active if sort is Sort.LAST_ACTIVE else row.last_present
        return (last or date.min).toordinal()
    by: dict[StrEnum, float | None] = {
        Sort.DAYS_ACTIVE: row.days_active,
        Sort.SESSIONS: row.sessions,
        Sort.ACTIVE_HOURS: row.active_seconds,
        Sort.IDLE_HOURS: row.idle_seconds,
    }
    value = by[sort]
    return -1 if value is None else value


def figure(key: str, rows: Sequence[PersonRow]) -> Figure:
    """The whole table, for CSV."""
    columns: tuple[Column, ...] = (
        Column("name", TITLES[Sort.NAME], Kind.TEXT),
        Column("deleted", "Deleted", Kind.TEXT),
        Column("last_active", TITLES[Sort.LAST_ACTIVE], Kind.DAY),
        Column("last_present", TITLES[Sort.LAST_PRESENT], Kind.DAY),
        Column("days_active", TITLES[Sort.DAYS_ACTIVE]),
        Column("sessions", TITLES[Sort.SESSIONS]),
        Column("active_hours", TITLES[Sort.ACTIVE_HOURS], Kind.HOURS),
        Column("idle_hours", TITLES[Sort.IDLE_HOURS], Kind.HOURS),
    )
    cells: list[list[Any]] = [
        [
            row.name,
            "yes" if row.deleted else "no",
            row.last_active,
            row.last_present,
            row.days_active,
            row.sessions,
            _hours(row.active_seconds),
            _hours(row.idle_seconds),
        ]
        for row in rows
    ]
    if any(row.excluded for row in rows):
        columns = (*columns, Column("excluded", "Not counted", Kind.TEXT))
        for cell, row in zip(cells, rows, strict=True):
            cell.append("yes" if row.excluded else "no")
    return Figure(key, "Users", "", columns, cells)


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 3600, 1)
