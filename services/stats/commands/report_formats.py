"""The formats of a report: a table for the terminal, CSV and JSON. Pure."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from common.csv_table import csv_table
from services.stats.query.people import PersonRow
from services.stats.query.periods import Summary


class Format(StrEnum):
    """The format of a report."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class _Row(Protocol):
    def _asdict(self) -> dict[str, Any]: ...


class _Column(NamedTuple):
    title: str
    field: str


TERM_COLUMN = _Column("term", "name")

SUMMARY_COLUMNS = tuple(
    _Column(*pair)
    for pair in (
        ("from", "first"),
        ("to", "last"),
        ("seen %", "observed_percent"),
        ("active", "active_users"),
        ("daily", "daily_active"),
        ("weekly", "weekly_active"),
        ("monthly", "monthly_active"),
        ("d/m", "daily_by_monthly"),
        ("new", "newcomers"),
        ("sessions", "sessions"),
        ("median", "median_minutes"),
        ("p90", "p90_minutes"),
        ("p99", "p99_minutes"),
        ("active h", "active_hours"),
        ("idle h", "idle_hours"),
        ("unseen h", "unobserved_hours"),
        ("server h", "server_hours"),
        ("mean", "mean_servers"),
        ("peak", "peak_servers"),
        ("peak at", "peak_at"),
        ("after h", "after_hours"),
        ("saved h", "saved_hours"),
    )
)

LEGEND = """\
seen %: share of the period that was observed. A dash stands for an unknown value.
active: distinct active users. daily: their mean per day. weekly, monthly: distinct active users
in the last 7 and 30 days of the period. d/m: daily divided by monthly. new: accounts created
in the period.
sessions: servers started in the period. median, p90, p99: percentiles of the length, in minutes,
of the sessions that ended in it.
active h: hours in which users were active. idle h: observed hours in which their servers ran but
they were not active. unseen h: hours in which their servers ran and nothing was observed.
server h: total running time of all servers.
mean, peak: number of servers running at the same time.
after h: server hours between the last activity and the stop, for stopped servers.
saved h: an estimate: hours between an idle server's stop and its next start, up to a day for each
stop. Periods that are not over, or observed for less than 90 %, show lower bounds, and do not count
in daily."""

PERSON_COLUMNS = (
    _Column("user", "name"),
    _Column("last active", "last_active"),
    _Column("last present", "last_present"),
    _Column("days active", "days_active"),
)


def summaries(rows: Sequence[Summary], form: Format, zone: ZoneInfo) -> str:
    """The report by period, with times in the given zone."""
    rows = [
        row._replace(peak_at=row.peak_at.astimezone(zone)) if row.peak_at else row for row in rows
    ]
    if form is Format.TABLE:
        named = any(row.name for row in rows)
        columns = (TERM_COLUMN, *SUMMARY_COLUMNS) if named else SUMMARY_COLUMNS
        return _table(rows, columns) + "\n" + LEGEND + "\n"
    return rows_as(rows, Summary._fields, form)


def people(rows: Sequence[PersonRow], form: Format) -> str:
    """The list of inactive users."""
    if form is Format.TABLE:
        return _table(rows, PERSON_COLUMNS) + f"{len(rows):,} not active\n"
    return rows_as(rows, [column.field for column in PERSON_COLUMNS], form)


def rows_as(rows: Sequence[_Row], fields: Sequence[str], form: Format) -> str:
    """Any records as CSV or JSON. Times are in ISO 8601; unknown values are empty or null."""
    selected = [{field: row._asdict()[field] for field in fields} for row in rows]
    if form is Format.JSON:
        return json.dumps(selected, default=_iso, ensure_ascii=False, indent=1) + "\n"
    return csv_table(fields, ([row[field] for field in fields] for row in selected))


def _iso(value: date | datetime) -> str:
    return value.isoformat()


def _table(rows: Sequence[_Row], columns: Sequence[_Column]) -> str:
    cells = [[column.title for column in columns]]
    cells += [[_short(row._asdict()[column.field]) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        + "\n"
        for line in cells
    )


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, str):
        return value if value.isprintable() else repr(value)
    return str(value)
