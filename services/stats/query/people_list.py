"""The table of users: searched, sorted and cut into pages. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.stats.query.answers import PersonRow
from services.stats.query.figures import Column, Figure, Kind
from services.stats.query.periods import BadQuery, one_of

PAGE_SIZE = 50
LONGEST_SEARCH = 255


class Sort(StrEnum):
    """The columns that the table can be sorted by."""

    NAME = "name"
    LAST_ACTIVE = "last_active"
    DAYS_ACTIVE = "days_active"
    SESSIONS = "sessions"
    ACTIVE_HOURS = "active_hours"
    IDLE_HOURS = "idle_hours"


TITLES = {
    Sort.NAME: "User",
    Sort.LAST_ACTIVE: "Last active",
    Sort.DAYS_ACTIVE: "Days active",
    Sort.SESSIONS: "Sessions",
    Sort.ACTIVE_HOURS: "Active hours",
    Sort.IDLE_HOURS: "Idle hours",
}


@dataclass(frozen=True)
class ListQuery:
    """Which users, in which order. text: anywhere in the name, however it is written."""

    text: str = ""
    sort: Sort = Sort.NAME
    descending: bool = False
    page: int = 1

    @classmethod
    def parse(cls, query: Mapping[str, str], *, usual: str = "name") -> "ListQuery":
        """From ``q``, ``sort`` (with a minus: downwards) and ``page``. Raises BadQuery."""
        problems: list[str] = []
        sort = query.get("sort") or usual
        descending = sort.startswith("-")
        column = one_of("sort", sort.removeprefix("-"), list(Sort), problems)
        said = query.get("page") or "1"
        if not (said.isascii() and said.isdecimal() and len(said) < 7 and int(said) > 0):
            problems.append(f"page: {said[:20]!r} is no number of a page; write 1 or more.")
        text = query.get("q", "").strip()
        if len(text) > LONGEST_SEARCH:
            problems.append(f"q: write at most {LONGEST_SEARCH} characters to search for.")
        if problems:
            raise BadQuery(problems)
        return cls(text, Sort(column), descending, int(said))

    @property
    def written_sort(self) -> str:
        """As in a query string."""
        return ("-" if self.descending else "") + self.sort

    def sort_by(self, column: Sort) -> str:
        """What a click on the column's title asks for: it, and upside down the second time."""
        if self.sort is column:
            return column if self.descending else f"-{column}"
        # Of numbers the largest are looked for first.
        return column if column is Sort.NAME else f"-{column}"


@dataclass(frozen=True)
class Listed:
    """A page of the table."""

    rows: Sequence[PersonRow]
    total: int
    page: int
    pages: int


def pick(rows: Sequence[PersonRow], query: ListQuery) -> list[PersonRow]:
    """Those that match, sorted; of equal ones by name."""
    wanted = query.text.casefold()
    found = [row for row in rows if wanted in row.name.casefold()]
    found.sort(key=lambda row: row.name.casefold())
    if query.sort is Sort.NAME:
        return found[::-1] if query.descending else found
    found.sort(key=lambda row: _key(row, query.sort), reverse=query.descending)
    return found


def cut(rows: Sequence[PersonRow], page: int) -> Listed:
    """One page of them; the last where there are not so many."""
    pages = max(1, math.ceil(len(rows) / PAGE_SIZE))
    page = min(page, pages)
    shown = rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return Listed(shown, len(rows), page, pages)


def _key(row: PersonRow, sort: Sort) -> float:
    if sort is Sort.LAST_ACTIVE:
        return (row.last_active or date.min).toordinal()
    by: dict[Sort, float] = {
        Sort.DAYS_ACTIVE: row.days_active,
        Sort.SESSIONS: row.sessions,
        Sort.ACTIVE_HOURS: row.active_seconds,
        Sort.IDLE_HOURS: row.idle_seconds,
    }
    return by[sort]


def figure(key: str, rows: Sequence[PersonRow]) -> Figure:
    """The table, for CSV."""
    columns = (
        Column("name", TITLES[Sort.NAME], Kind.TEXT),
        Column("deleted", "Deleted", Kind.TEXT),
        Column("last_active", TITLES[Sort.LAST_ACTIVE], Kind.DAY),
        Column("days_active", TITLES[Sort.DAYS_ACTIVE]),
        Column("sessions", TITLES[Sort.SESSIONS]),
        Column("active_hours", TITLES[Sort.ACTIVE_HOURS]),
        Column("idle_hours", TITLES[Sort.IDLE_HOURS]),
    )
    cells = [
        [
            row.name,
            "yes" if row.deleted else "no",
            row.last_active,
            row.days_active,
            row.sessions,
            hours(row.active_seconds),
            hours(row.idle_seconds),
        ]
        for row in rows
    ]
    return Figure(key, "Users", "", columns, cells)


def hours(seconds: float) -> float:
    """Decimal hours, to a tenth."""
    return round(seconds / 3600, 1)
