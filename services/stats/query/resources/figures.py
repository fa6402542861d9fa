"""The tables of the resources page, which page and CSV share. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.stats.query.figures import Column, Draw, Figure, Kind
from services.stats.query.glance.facts import Fact
from services.stats.query.people import LONGEST_SEARCH, PAGE_SIZE
from services.stats.query.periods import COVERAGE
from services.stats.query.question import InvalidQuery, one_of
from services.stats.query.resources.prices import Prices
from services.stats.query.resources.rows import ResourceRow

TITLES: Mapping[str, str] = {
    "name": "Name",
    "memory_gb_hours": "Memory, GB-h",
    "mean_memory_gb": "Mean, GB",
    "peak_memory_gb": "Peak, GB",
    "guaranteed_gb_hours": "Guaranteed, GB-h",
    "unused_gb_hours": "Unused guarantee, GB-h",
    "cpu_hours": "CPU-h",
    "guaranteed_cpu_hours": "Guaranteed CPU-h",
    "unused_cpu_hours": "Unused CPU-h",
    "server_hours": "Servers",
    "measured_percent": "Measured",
    "cost": "Cost (estimate)",
}
"""The columns by which the tables can be sorted."""

_KINDS = {"name": Kind.TEXT, "server_hours": Kind.HOURS, "measured_percent": Kind.PERCENT}

_OVER_TIME: Mapping[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    "memory": (
        "Memory",
        "GB-hours on each day: what servers used, what was guaranteed to them, and how much of the"
        " guarantee they did not use.",
        (
            ("memory_gb_hours", "Used"),
            ("guaranteed_gb_hours", "Guaranteed"),
            ("unused_gb_hours", "Unused guarantee"),
        ),
    ),
    "cpu": (
        "CPU",
        "CPU-hours on each day: what servers used, what was guaranteed to them, and how much of the"
        " guarantee they did not use.",
        (
            ("cpu_hours", "Used"),
            ("guaranteed_cpu_hours", "Guaranteed"),
            ("unused_cpu_hours", "Unused guarantee"),
        ),
    ),
}
OVER_TIME = tuple(_OVER_TIME)
"""The figures that have a row for each day."""


def over_time(
    key: str, days: Sequence[tuple[date, ResourceRow]], last_day: date, today: date
) -> Figure:
    """One of OVER_TIME. ``last_day`` is the last one with records, which need not be today."""
    title, note, parts = _OVER_TIME[key]
    columns = (
        Column("day", "Day", Kind.DAY),
        *(Column(name, heading, scale="y") for name, heading in parts),
        Column("measured_percent", "Measured", Kind.PERCENT),
    )
    rows = [[day, *(getattr(row, column.key) for column in columns[1:])] for day, row in days]
    incomplete = frozenset(
        number
        for number, (day, row) in enumerate(days)
        if any(value is not None for value in rows[number][1:-1])
        and (day >= last_day or (row.measured_percent or 0) < 100 * COVERAGE)
    )
    so_far = {number: "today, so far" for number in incomplete if days[number][0] >= today}
    return Figure(key, title, note, columns, rows, Draw.LINES, incomplete, so_far)


def table(key: str, rows: Sequence[ResourceRow], prices: Prices) -> Figure:
    """All columns of users or groups, for CSV."""
    columns = tuple(
        Column(name, title, _KINDS.get(name, Kind.NUMBER))
        for name, title in TITLES.items()
        if name != "cost" or prices
    )
    return Figure(
        key, key, "", columns, [[getattr(row, column.key) for column in columns] for row in rows]
    )


def facts(total: ResourceRow) -> list[Fact]:
    """The key numbers of all selected servers."""
    return [
        Fact("Memory", total.memory_gb_hours, note="GB-hours"),
        Fact("CPU", total.cpu_hours, note="CPU-hours"),
        Fact("Unused guarantee", total.unused_gb_hours, note="GB-hours"),
        Fact("Largest server", total.peak_memory_gb, note="GB"),
        Fact("Measured", total.measured_percent, Kind.PERCENT, "of the server time"),
    ]


@dataclass(frozen=True)
class ResourceTable:
    """The requested part of the table of users. ``text`` matches anywhere in a name."""

    text: str = ""
    sort: str = "memory_gb_hours"
    descending: bool = True
    page: int = 1

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "ResourceTable":
        """From ``q``, ``sort`` (prefix ``-``: descending) and ``page``. Raises InvalidQuery."""
        problems: list[str] = []
        sort = query.get("sort") or "-memory_gb_hours"
        column = one_of("sort", sort.removeprefix("-"), list(TITLES), problems)
        page = query.get("page") or "1"
        if not (page.isascii() and page.isdecimal() and len(page) < 7 and int(page) > 0):
            problems.append(f"page: {page[:20]!r} is not a page number; write 1 or more.")
        text = query.get("q", "").strip()
        if len(text) > LONGEST_SEARCH:
            problems.append(f"q: the search text is limited to {LONGEST_SEARCH} characters.")
        if problems:
            raise InvalidQuery(problems)
        return cls(text, column, sort.startswith("-"), int(page))

    def sort_by(self, column: str) -> str:
        """The value of ``sort`` after a click on a heading; a second click reverses the order."""
        if self.sort == column:
            return column if self.descending else f"-{column}"
        return column if column == "name" else f"-{column}"

    @property
    def sort_parameter(self) -> str:
        """The sort order as the value of ``sort``."""
        return ("-" if self.descending else "") + self.sort

    def search(self, rows: Sequence[ResourceRow]) -> list[ResourceRow]:
        """The rows that match, in order; what is not known comes last, equal rows by name."""
        wanted = self.text.casefold()
        found = sorted(
            (row for row in rows if wanted in row.name.casefold()),
            key=lambda row: row.name.casefold(),
        )
        if self.sort == "name":
            return found[::-1] if self.descending else found
        known = [row for row in found if getattr(row, self.sort) is not None]
        unknown = [row for row in found if getattr(row, self.sort) is None]
        known.sort(key=self._value, reverse=self.descending)
        return known + unknown

    def _value(self, row: ResourceRow) -> Any:
        return getattr(row, self.sort)


@dataclass(frozen=True)
class ResourcePage:
    """One page of the table of users."""

    rows: Sequence[ResourceRow]
    total: int
    page: int
    pages: int


def paginate(rows: Sequence[ResourceRow], page: int) -> ResourcePage:
    """One page of the rows, or the last page if ``page`` is beyond it."""
    pages = max(1, math.ceil(len(rows) / PAGE_SIZE))
    page = min(page, pages)
    shown = rows[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return ResourcePage(shown, len(rows), page, pages)
