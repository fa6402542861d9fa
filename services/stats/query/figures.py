"""The dashboard's figures. Each is a table that page, chart and CSV share. Pure.

A cell is None where nothing was observed: a dash on the page, an empty cell in CSV and a gap in
the chart, never zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from services.stats.days import By
from services.stats.query.periods import Summary, all_audited, session_lengths, week_by_hour
from services.stats.records import GroupDay


class Kind(StrEnum):
    """What a value is, and so how a page displays it."""

    TEXT = "text"
    DAY = "day"
    TIME = "time"
    NUMBER = "number"
    PERCENT = "percent"
    HOURS = "hours"
    MINUTES = "minutes"
    SECONDS = "seconds"

    @property
    def numeric(self) -> bool:
        return self not in (Kind.TEXT, Kind.DAY, Kind.TIME)


class Draw(StrEnum):
    """The type of a figure's chart. The heat map, and a table of few rows, need none."""

    LINES = "lines"
    BARS = "bars"


@dataclass(frozen=True)
class Column:
    """A column: ``key`` is its name in CSV, ``title`` its heading on the page."""

    key: str
    title: str
    kind: Kind = Kind.NUMBER
    scale: str = ""
    """The scale of the chart on which it is drawn; empty if it is not drawn."""


@dataclass(frozen=True)
class Figure:
    """A table with a title. The first column names the row."""

    key: str
    title: str
    note: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]
    draw: Draw | None = None
    incomplete: frozenset[int] = frozenset()
    """The numbers of the rows whose counts are lower bounds, as of today."""
    so_far: Mapping[int, str] = field(default_factory=dict)
    """By the number of an incomplete row that is not over: what marks it ("today, so far")."""

    @property
    def unobserved_rows(self) -> int:
        """The number of rows without any observed value."""
        return sum(
            not self._has_value(row) for i, row in enumerate(self.rows) if i not in self.incomplete
        )

    @property
    def hollow_rows(self) -> int:
        """The number of rows that are not over and have a value to draw."""
        return sum(self._has_value(self.rows[i]) for i in self.so_far)

    def _has_value(self, row: Sequence[Any]) -> bool:
        drawn = [i for i, column in enumerate(self.columns) if column.scale]
        return not drawn or any(row[i] is not None for i in drawn)

    @property
    def incomplete_rows(self) -> int:
        """The number of rows that are over and hold lower bounds, which the chart leaves out."""
        return len(self.incomplete - self.so_far.keys())


_DAY = Column("first", "Day", Kind.DAY)
_TERM = Column("name", "Term", Kind.TEXT)
_FROM, _TO = Column("first", "From", Kind.DAY), Column("last", "To", Kind.DAY)
_OBSERVED = Column("observed_percent", "Observed", Kind.PERCENT)
_COMPLETE = Column("complete", "Complete", Kind.TEXT)
_SO_FAR = {
    By.DAY: "today, so far",
    By.WEEK: "this week, so far",
    By.MONTH: "this month, so far",
    By.YEAR: "this year, so far",
}
_IN_PERIOD = {
    By.DAY: "on that day",
    By.WEEK: "in that week",
    By.MONTH: "in that month",
    By.YEAR: "in that year",
    By.TERM: "in that term",
    By.ALL: "in the whole range",
}

FEWEST_DRAWN = 4
"""A chart of fewer rows shows less than its table, which is displayed in its place."""

OVER_TIME: Mapping[str, tuple[str, str, Draw, tuple[Column, ...]]] = {
    "active": (
        "Active users",
        "Distinct users who worked in a server.",
        Draw.LINES,
        (
            Column("active_users", "Active", scale="y"),
            Column("weekly_active", "In 7 days", scale="y"),
            Column("monthly_active", "In 30 days", scale="y"),
            Column("daily_by_monthly", "Daily/monthly"),
        ),
    ),
    "ratio": (
        "How often users come back",
        "Active users per day divided by active users in 30 days: 1 means that every user is active"
        " every day.",
        Draw.LINES,
        (Column("daily_by_monthly", "Daily/monthly", scale="y"),),
    ),
    "newcomers": (
        "New users",
        "Accounts created in the period.",
        Draw.BARS,
        (Column("newcomers", "New users", scale="y"),),
    ),
    "servers": (
        "Running servers",
        "The number of servers running at the same time: mean and peak.",
        Draw.LINES,
        (
            Column("mean_servers", "Mean", scale="y"),
            Column("peak_servers", "Peak", scale="y"),
            Column("peak_at", "Peak at", Kind.TIME),
        ),
    ),
    "sessions": (
        "Sessions",
        "Servers started, and the lengths of the sessions that ended: half of them were no longer"
        " than the median, 90% and 99% no longer than the two percentiles.",
        Draw.BARS,
        (
            Column("starts", "Starts counted by the Hub", scale="y"),
            Column("sessions", "Sessions seen by polls", scale="y"),
            Column("median_minutes", "Median", Kind.MINUTES),
            Column("p90_minutes", "90th percentile", Kind.MINUTES),
            Column("p99_minutes", "99th percentile", Kind.MINUTES),
        ),
    ),
    "hours": (
        "Hours",
        "Active: users worked. Idle: users had a running server but did not work. Not observed:"
        " users had a running server, and whether they worked is not known.",
        Draw.LINES,
        (
            Column("active_hours", "Active", Kind.HOURS, scale="y"),
            Column("idle_hours", "Idle", Kind.HOURS, scale="y"),
            Column("unobserved_hours", "Not observed", Kind.HOURS, scale="y"),
            Column("server_hours", "All servers", Kind.HOURS),
            Column("after_hours", "After last activity", Kind.HOURS),
        ),
    ),
    "savings": (
        "Stopped while idle (estimate)",
        "How much longer the servers that stopped while idle would have run: until their next use,"
        " at most 24 h each. Servers that may have been used or stopped while nothing was observed"
        " do not count.",
        Draw.BARS,
        (Column("saved_hours", "Saved", Kind.HOURS, scale="y"),),
    ),
}
"""By key: title, note, chart type, and the fields of a Summary that the figure shows."""

SAVED_BY_THE_CULLER = (
    "Saved by the culler (estimate)",
    "How much longer the servers that the culler stopped, by its audit log, would have run: until"
    " their next use, at most 24 h each.",
)
"""Title and note of the savings if the culler's audit log covers them."""

PERSONAL = ("hours", "sessions")
"""The figures that are meaningful for a single user."""

LENGTHS = (5, 15, 30, 60, 120, 240, 480, 1440)
"""Upper bounds of the histogram's bins, in minutes (exclusive)."""


def over_time(key: str, summaries: Sequence[Summary], by: By, today: date | None = None) -> Figure:
    """One of OVER_TIME, with a row for each summary. A period with ``today`` is not over."""
    title, note, draw, columns = OVER_TIME[key]
    if all(summary.starts is None for summary in summaries):
        # They are known of the whole hub only, and only if its metrics can be read.
        columns = tuple(column for column in columns if column.key != "starts")
    if key == "savings" and all_audited(summary.saved_audited for summary in summaries):
        title, note = SAVED_BY_THE_CULLER
    period = {By.DAY: (_DAY,), By.TERM: (_TERM, _FROM, _TO)}.get(by, (_FROM, _TO))
    columns = (*period, *columns, _OBSERVED, _COMPLETE)
    rows = [
        [getattr(summary, column.key) for column in columns[:-1]]
        + ["yes" if summary.complete else "no"]
        for summary in summaries
    ]
    if key == "active":
        note = f"{note} “Active” counts users {_IN_PERIOD[by]}."
    incomplete = frozenset(
        number
        for number, summary in enumerate(summaries)
        if not summary.complete and summary.active_users is not None
    )
    so_far = {
        number: _SO_FAR.get(by, "so far")
        for number in incomplete
        if today is not None and summaries[number].last >= today
    }
    shown = None if len(rows) < FEWEST_DRAWN else draw
    return Figure(key, title, note, columns, rows, shown, incomplete, so_far)


def with_resolution(figure: Figure, seconds: int | None) -> Figure:
    """A figure of sessions, with what polls this far apart can see of them."""
    if seconds is None:
        return figure
    return replace(figure, note=f"{figure.note} {resolution_note(seconds)}")


def resolution_note(seconds: int) -> str:
    """What polls this far apart can see of sessions."""
    length = f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds:,} s"
    return (
        f"Polls are {length} apart: sessions that ran only between two polls are missing, and"
        f" lengths are exact to {length}."
    )


def running_servers(points: Sequence[tuple[datetime, int | None]]) -> Figure:
    """Running servers at points in time. For short ranges it replaces the daily mean and peak."""
    columns = (
        Column("time", "Time", Kind.TIME),
        Column("servers", "Running", scale="y"),
    )
    note = "The number of servers running at each point in time."
    return Figure("servers", OVER_TIME["servers"][0], note, columns, points, Draw.LINES)


def lengths(rows: Sequence[GroupDay]) -> Figure:
    """A histogram of the lengths of the sessions that ended."""
    counted = [0] * (len(LENGTHS) + 1)
    for minutes, number in session_lengths(rows).items():
        counted[sum(minutes >= end for end in LENGTHS)] += number
    total = sum(counted)
    starts = (0, *LENGTHS)
    table = [
        [_bin_label(start, end), number, round(100 * number / total, 1) if total else None]
        for start, end, number in zip(starts, (*LENGTHS, None), counted, strict=True)
    ]
    columns = (
        Column("length", "Length", Kind.TEXT),
        Column("sessions", "Sessions", scale="y"),
        Column("percent", "Share", Kind.PERCENT),
    )
    note = "Sessions that ended, by how long they ran."
    return Figure("lengths", "Session lengths", note, columns, table, Draw.BARS)


def _bin_label(start: int, end: int | None) -> str:
    if end is None:
        return f"{_bound(start)} or more"
    if not start:
        return f"under {_bound(end)}"
    same_unit = (start < 60) is (end < 60)
    return f"{_bound(start).partition(' ')[0] if same_unit else _bound(start)} to {_bound(end)}"


def _bound(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"


WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHADES = 8
"""The number of shades in the heat map, not counting the one for zero."""


def week(rows: Sequence[GroupDay]) -> Figure:
    """Mean active users by weekday and hour."""
    columns = (
        Column("weekday", "Day", Kind.TEXT),
        *(Column(f"{hour:02}", f"{hour:02}") for hour in range(24)),
    )
    table = [[WEEKDAYS[day], *hours] for day, hours in enumerate(week_by_hour(rows))]
    note = "Mean active users by weekday and hour."
    return Figure("week", "Week by hour", note, columns, table)


def shades(figure: Figure) -> list[list[int | None]]:
    """The shade of each number of the heat map, from 0 for zero up to SHADES."""
    cells = [list(row[1:]) for row in figure.rows]
    most = max((cell for row in cells for cell in row if cell is not None), default=0)
    return [[None if cell is None else _shade(cell, most) for cell in row] for row in cells]


def busy_hours(figure: Figure) -> tuple[int, int]:
    """The first and the last hour in which anybody was active, on any day; else the whole day."""
    hours = [hour for row in figure.rows for hour, value in enumerate(row[1:]) if value]
    return (min(hours), max(hours)) if hours else (0, 23)


def _shade(value: float, most: float) -> int:
    return 0 if value <= 0 else max(1, round(SHADES * value / most))
