"""What the dashboard draws: each figure is a table, which page, chart and CSV show alike. Pure.

A cell is None where nothing was observed; it is a dash on the page, empty in CSV and a gap in
the chart, and never zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import By, Period, bounds, days
from services.stats.query.summary import Summary, session_lengths, summarise, week_by_hour
from services.stats.store.rollup import GroupDay


class Kind(StrEnum):
    """How a cell is written."""

    TEXT = "text"
    DAY = "day"
    TIME = "time"
    NUMBER = "number"


class Draw(StrEnum):
    """How a figure is drawn; a heat map is a table with shades."""

    LINES = "lines"
    BARS = "bars"


@dataclass(frozen=True)
class Column:
    """A column: its name in CSV, its title on the page. drawn: on which scale, or not at all."""

    key: str
    title: str
    kind: Kind = Kind.NUMBER
    drawn: str = ""


@dataclass(frozen=True)
class Figure:
    """A table with a title. The first column names the row."""

    key: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]
    draw: Draw | None = None

    @property
    def unseen(self) -> int:
        """In how many rows nothing was observed."""
        drawn = [i for i, column in enumerate(self.columns) if column.drawn]
        return sum(all(row[i] is None for i in drawn) for row in self.rows) if drawn else 0


_DAY = Column("first", "Day", Kind.DAY)
_FROM, _TO = Column("first", "From", Kind.DAY), Column("last", "To", Kind.DAY)
_SEEN = Column("observed_percent", "Observed %")
_OF = {By.DAY: "on the day", By.WEEK: "in the week", By.MONTH: "in the month"}

OVER_TIME: Mapping[str, tuple[str, str, Draw, tuple[Column, ...]]] = {
    "active": (
        "Active users",
        "Different people who worked in a server. Daily by monthly tells how much of a month's"
        " people come on a day: 1 is everybody every day.",
        Draw.LINES,
        (
            Column("active_users", "Active", drawn="y"),
            Column("weekly_active", "In 7 days", drawn="y"),
            Column("monthly_active", "In 30 days", drawn="y"),
            Column("daily_by_monthly", "Daily by monthly", drawn="ratio"),
        ),
    ),
    "newcomers": (
        "Newcomers",
        "Accounts made in the time.",
        Draw.BARS,
        (Column("newcomers", "Newcomers", drawn="y"),),
    ),
    "servers": (
        "Servers at a time",
        "How many servers ran at once: the mean, and the most.",
        Draw.LINES,
        (
            Column("mean_servers", "Mean", drawn="y"),
            Column("peak_servers", "Peak", drawn="y"),
            Column("peak_at", "Peak at", Kind.TIME),
        ),
    ),
    "sessions": (
        "Sessions",
        "Servers started, and how long those ran that ended: half of them no longer than the"
        " median, 90 and 99 of 100 no longer than the two others.",
        Draw.BARS,
        (
            Column("sessions", "Sessions", drawn="y"),
            Column("median_minutes", "Median, minutes"),
            Column("p90_minutes", "90th percentile"),
            Column("p99_minutes", "99th percentile"),
        ),
    ),
    "hours": (
        "Hours, and what the culler saved",
        "Active: somebody worked. Idle: a server ran and its user did not work. Saved: how much"
        " longer stopped idle servers would have run, until used again, a day at most.",
        Draw.LINES,
        (
            Column("active_hours", "Active", drawn="y"),
            Column("idle_hours", "Idle", drawn="y"),
            Column("saved_hours", "Saved", drawn="y"),
            Column("server_hours", "All servers"),
            Column("after_hours", "After the last activity"),
        ),
    ),
}
"""By key: title, note, how it is drawn and which fields of a Summary it shows."""

PERSONAL = ("hours", "sessions")
"""Those that say something about one person."""

LENGTHS = (5, 15, 30, 60, 120, 240, 480, 1440)
"""Ends of the histogram's classes, in minutes; the ends are not in them."""


def by_day(
    rows: Sequence[GroupDay], first: date, last: date, now: datetime, zone: ZoneInfo
) -> list[Summary]:
    """Each day as a period of its own, without asking the database again. now: the last poll."""
    found = {row.day: row for row in rows}
    answer = []
    for day, seconds in _lengths(first, last, now, zone).items():
        row = found.get(day)
        mine, active = ([row], row.active) if row else ([], 0)
        answer.append(summarise(Period(day, day), mine, active, {day: seconds}))
    return answer


def of_one(
    rows: Sequence[GroupDay], first: date, last: date, now: datetime, zone: ZoneInfo
) -> Summary:
    """All the days of one person in one, as ``by_day``."""
    active = int(any(row.active for row in rows))
    return summarise(Period(first, last), rows, active, _lengths(first, last, now, zone))


def _lengths(first: date, last: date, now: datetime, zone: ZoneInfo) -> dict[date, float]:
    """Seconds of each day, until now."""
    answer = {}
    for day in days(first, last):
        window = bounds(day, zone)
        answer[day] = max(0.0, (min(window.end, now) - window.start).total_seconds())
    return answer


def over_time(key: str, summaries: Iterable[Summary], by: By) -> Figure:
    """One of OVER_TIME."""
    title, note, draw, columns = OVER_TIME[key]
    if by is By.DAY:
        head: tuple[Column, ...] = (_DAY,)
    else:
        head = (_FROM, _TO)
    columns = (*head, *columns, _SEEN)
    rows = [[getattr(summary, column.key) for column in columns] for summary in summaries]
    if key == "active":
        note = f"{note} “Active” counts people {_OF[by]}."
    return Figure(key, title, note, columns, rows, draw)


def moments(points: Sequence[tuple[datetime, int | None]]) -> Figure:
    """Running servers at moments; in place of the day's mean and peak where days are few."""
    columns = (
        Column("time", "When", Kind.TIME),
        Column("servers", "Running", drawn="y"),
    )
    note = "How many servers ran at each moment."
    return Figure("servers", OVER_TIME["servers"][0], note, columns, points, Draw.LINES)


def lengths(rows: Sequence[GroupDay]) -> Figure:
    """How long sessions were that ended."""
    counted = [0] * (len(LENGTHS) + 1)
    for minutes, number in session_lengths(rows).items():
        counted[sum(minutes >= end for end in LENGTHS)] += number
    total = sum(counted)
    starts = (0, *LENGTHS)
    table = [
        [_class(start, end), number, round(100 * number / total, 1) if total else None]
        for start, end, number in zip(starts, (*LENGTHS, None), counted, strict=True)
    ]
    columns = (
        Column("length", "Length", Kind.TEXT),
        Column("sessions", "Sessions", drawn="y"),
        Column("percent", "% of all"),
    )
    note = "Sessions that ended, by how long they ran."
    return Figure("lengths", "Length of sessions", note, columns, table, Draw.BARS)


def _class(start: int, end: int | None) -> str:
    if end is None:
        return f"{_minutes(start)} or more"
    return f"under {_minutes(end)}" if not start else f"{_minutes(start)} to {_minutes(end)}"


def _minutes(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHADES = 8
"""How many shades the heat map has beside none."""


def week(rows: Sequence[GroupDay], zone: ZoneInfo) -> Figure:
    """Users active, the mean for each weekday and hour."""
    columns = (
        Column("weekday", "Day", Kind.TEXT),
        *(Column(f"{hour:02}", f"{hour:02}") for hour in range(24)),
    )
    table = [[WEEKDAYS[day], *hours] for day, hours in enumerate(week_by_hour(rows))]
    note = f"Users active, the mean for each weekday and hour; hours in {zone.key}."
    return Figure("week", "The week by hour", note, columns, table)


def shades(figure: Figure) -> list[list[int | None]]:
    """For each number of the heat map how dark it is, from 0 for nothing up to SHADES."""
    cells = [list(row[1:]) for row in figure.rows]
    most = max((cell for row in cells for cell in row if cell is not None), default=0)
    return [[None if cell is None else _shade(cell, most) for cell in row] for row in cells]


def _shade(value: float, most: float) -> int:
    return 0 if value <= 0 else max(1, round(SHADES * value / most))


class Fact(NamedTuple):
    """A number of the whole range of days. value None: nobody was looking."""

    title: str
    value: float | None
    unit: str = ""
    at: datetime | None = None


def facts(whole: Summary, *, personal: bool) -> list[Fact]:
    """The range in a few numbers. personal: of one person."""
    seen = whole.active_users is not None
    of_one = [
        Fact("Active", whole.active_hours, "hours"),
        Fact("Server idle", whole.idle_hours, "hours"),
        Fact("Sessions", whole.sessions),
        Fact("Median session", whole.median_minutes if seen else None, "minutes"),
    ]
    of_many = [
        Fact("Active users", whole.active_users),
        Fact("On a day", whole.daily_active, "on average"),
        Fact("Newcomers", whole.newcomers),
        Fact("Most servers at once", whole.peak_servers, at=whole.peak_at),
        Fact("Saved by the culler", whole.saved_hours, "hours"),
    ]
    observed = Fact("Observed", whole.observed_percent, "% of the time")
    return [*(() if personal else of_many), *of_one, observed]
