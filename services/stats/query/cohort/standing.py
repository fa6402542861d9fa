"""Who dropped off, who has not started, and of whom it is not known. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import ClassVar, NamedTuple

from services.stats.query.cohort.doubt import DOUBTS, Doubt
from services.stats.query.figures import Column, Figure, Kind
from services.stats.query.glance.units import counted
from services.stats.query.people import TableQuery
from services.stats.query.question import InvalidQuery, one_of

DEFAULT_DAYS, MOST_DAYS = 14, 3650


class Standing(StrEnum):
    """What is known of a user who was not observed to work in the last days."""

    DROPPED_OFF = "dropped-off"
    """They worked before, and not since: the Hub shows it even after a gap."""
    NOT_STARTED = "not-started"
    """They never worked, nor were they at the Hub in the last days."""
    PRESENT = "present"
    """They were at the Hub, and no work was observed."""
    UNKNOWN = "unknown"
    """They may have worked in the last days while nothing was observed (see ``Doubt``)."""


WORDS = {
    Standing.DROPPED_OFF: "dropped off",
    Standing.NOT_STARTED: "hasn't started",
    Standing.PRESENT: "present, no work observed",
    Standing.UNKNOWN: "not known",
}


class StandingRow(NamedTuple):
    """A current user who was not observed to work in the last days, and how active they were."""

    name: str
    standing: Standing
    last_active: date | None
    last_present: date | None
    days_active: int
    active_seconds: int
    first_active: date | None
    doubt: Doubt | None = None
    """Why the standing is not known."""

    @property
    def deleted(self) -> bool:
        """Whether the account was deleted: never, as only current users are listed."""
        return False

    @property
    def excluded(self) -> bool:
        """Whether the user is not counted: never, as such users are not listed."""
        return False

    @property
    def hours_per_week(self) -> float | None:
        """Active hours per week from the first to the last active day; None: never active."""
        if self.first_active is None or self.last_active is None:
            return None
        weeks = max(1.0, ((self.last_active - self.first_active).days + 1) / 7)
        return round(self.active_seconds / 3600 / weeks, 2)


@dataclass(frozen=True)
class Standings:
    """The users who did not work on the last ``days`` days before today, nor today; by name."""

    days: int
    since: date
    """The first of these days."""
    unobserved: int = 0
    """On how many of them nothing was observed."""
    rows: Sequence[StandingRow] = ()

    @property
    def doubt(self) -> str:
        """Of how many it is not known whether they worked, and why; empty if of nobody."""
        reasons = Counter(row.doubt for row in self.rows if row.doubt is not None)
        return "; ".join(
            f"{counted(number, 'user')}: {DOUBTS[doubt]}"
            for doubt, number in sorted(reasons.items())
        )

    @staticmethod
    def words(row: StandingRow) -> str:
        """The standing of a user as text."""
        words = WORDS[row.standing]
        return words if row.doubt is None else f"{words}: {DOUBTS[row.doubt]}"

    def counts(self) -> Mapping[Standing, int]:
        """How many users there are of each standing."""
        found = dict.fromkeys(Standing, 0)
        for row in self.rows:
            found[row.standing] += 1
        return found


def standing_of(
    last_active: date | None, last_present: date | None, since: date, doubt: Doubt | None
) -> Standing | None:
    """The standing of a user; None if they worked on ``since`` or later.

    ``doubt``: why they may have worked on these days while nothing was observed.
    """
    if last_active is not None and last_active >= since:
        return None
    if last_present is not None and last_present >= since:
        return Standing.PRESENT
    if doubt is not None:
        return Standing.UNKNOWN
    return Standing.NOT_STARTED if last_active is None else Standing.DROPPED_OFF


class StandingSort(StrEnum):
    """The columns by which the table can be sorted."""

    NAME = "name"
    LAST_ACTIVE = "last_active"
    LAST_PRESENT = "last_present"
    DAYS_ACTIVE = "days_active"
    ACTIVE_HOURS = "active_hours"
    HOURS_PER_WEEK = "hours_per_week"


TITLES = {
    StandingSort.NAME: "User",
    StandingSort.LAST_ACTIVE: "Last active",
    StandingSort.LAST_PRESENT: "Last present",
    StandingSort.DAYS_ACTIVE: "Days active",
    StandingSort.ACTIVE_HOURS: "Active time",
    StandingSort.HOURS_PER_WEEK: "Per week while active",
}

ALL = "all"


@dataclass(frozen=True)
class StandingQuery:
    """Which users are listed, and how."""

    DEFAULT_SORT: ClassVar[StandingSort] = StandingSort.LAST_ACTIVE
    """Those who were active last come first."""

    table: TableQuery
    days: int = DEFAULT_DAYS
    standing: Standing | None = Standing.DROPPED_OFF
    """None: all of them."""

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "StandingQuery":
        """From ``days``, ``standing`` (or ``all``), ``q``, ``sort`` and ``page``.

        Raises InvalidQuery.
        """
        problems: list[str] = []
        days = parse_days("days", query.get("days") or f"{DEFAULT_DAYS}", problems)
        choices = [*Standing, ALL]
        wanted = one_of("standing", query.get("standing") or choices[0], choices, problems)
        try:
            table = TableQuery.parse(query, default=f"-{cls.DEFAULT_SORT}", columns=StandingSort)
        except InvalidQuery as error:
            problems += error.problems
        if problems:
            raise InvalidQuery(problems)
        return cls(table, days, None if wanted == ALL else Standing(wanted))

    def select(self, found: Standings) -> list[StandingRow]:
        """The rows that match, in the requested order; equal ones by name."""
        wanted = self.table.text.casefold()
        rows = [
            row
            for row in found.rows
            if self.standing in (None, row.standing) and wanted in row.name.casefold()
        ]
        rows.sort(key=lambda row: row.name.casefold())
        if self.table.sort is StandingSort.NAME:
            return rows[::-1] if self.table.descending else rows
        rows.sort(key=lambda row: _key(row, self.table.sort), reverse=self.table.descending)
        return rows


def parse_days(option: str, text: str, problems: list[str]) -> int:
    """A number of days, as ``14`` or ``14d``. Appends a mistake to ``problems``."""
    number = text.strip().removesuffix("d")
    if re.fullmatch(r"\d{1,5}", number, re.ASCII) and 1 <= int(number) <= MOST_DAYS:
        return int(number)
    problems.append(f"{option}: {text[:20]!r} is not a number of days; write 14d, for example.")
    return DEFAULT_DAYS


def _key(row: StandingRow, sort: StrEnum) -> float:
    if sort is StandingSort.LAST_ACTIVE:
        return (row.last_active or date.min).toordinal()
    if sort is StandingSort.LAST_PRESENT:
        return (row.last_present or date.min).toordinal()
    if sort is StandingSort.DAYS_ACTIVE:
        return row.days_active
    return row.active_seconds if sort is StandingSort.ACTIVE_HOURS else row.hours_per_week or -1


COLUMNS = (
    Column("name", TITLES[StandingSort.NAME], Kind.TEXT),
    Column("standing", "Status", Kind.TEXT),
    Column("last_active", TITLES[StandingSort.LAST_ACTIVE], Kind.DAY),
    Column("last_present", TITLES[StandingSort.LAST_PRESENT], Kind.DAY),
    Column("days_active", TITLES[StandingSort.DAYS_ACTIVE]),
    Column("active_hours", TITLES[StandingSort.ACTIVE_HOURS], Kind.HOURS),
    Column("hours_per_week", TITLES[StandingSort.HOURS_PER_WEEK], Kind.HOURS),
)


def figure(found: Standings, rows: Sequence[StandingRow]) -> Figure:
    """The table, for CSV."""
    cells = [
        [
            row.name,
            found.words(row),
            row.last_active,
            row.last_present,
            row.days_active,
            round(row.active_seconds / 3600, 1),
            row.hours_per_week,
        ]
        for row in rows
    ]
    return Figure("dropped", "Dropped off", "", COLUMNS, cells)
