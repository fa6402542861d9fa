"""Answers as a table for a terminal, as CSV and as JSON. Pure."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from services.stats.query.people import PersonRow
from services.stats.query.periods import Summary


class Format(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class _Row(Protocol):
    def _asdict(self) -> dict[str, Any]: ...


class _Column(NamedTuple):
    title: str
    field: str


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
        ("server h", "server_hours"),
        ("mean", "mean_servers"),
        ("peak", "peak_servers"),
        ("peak at", "peak_at"),
        ("after h", "after_hours"),
        ("saved h", "saved_hours"),
    )
)

LEGEND = """\
seen %: how much of the time the recorder looked; "-": nobody looked. active: different users;
daily: the mean of a day; weekly, monthly: in the 7 and 30 days up to the end; d/m: daily by
monthly. median, p90, p99: length of sessions in minutes. idle h: a server ran, its user did
not work. mean, peak: servers at a time. after h: server hours after the last activity, of
servers that ended. saved h: hours for which stopped idle servers did not run until used again
(a day at most)."""

PERSON_COLUMNS = (
    _Column("user", "name"),
    _Column("last active", "last_active"),
    _Column("days active", "days_active"),
)


def summaries(rows: Sequence[Summary], form: Format, zone: ZoneInfo) -> str:
    """The report by periods. Times are told in the zone."""
    rows = [
        row._replace(peak_at=row.peak_at.astimezone(zone)) if row.peak_at else row for row in rows
    ]
    if form is Format.TABLE:
        return _table(rows, SUMMARY_COLUMNS) + "\n" + LEGEND + "\n"
    return rows_as(rows, Summary._fields, form)


def people(rows: Sequence[PersonRow], form: Format) -> str:
    """Who is in a group and has not been active."""
    if form is Format.TABLE:
        return _table(rows, PERSON_COLUMNS) + f"{len(rows)} not active\n"
    return rows_as(rows, [column.field for column in PERSON_COLUMNS], form)


def rows_as(rows: Sequence[_Row], fields: Sequence[str], form: Format) -> str:
    """Any rows as CSV or JSON. Times are in ISO 8601, what is unknown is empty or null."""
    picked = [{field: row._asdict()[field] for field in fields} for row in rows]
    if form is Format.JSON:
        return json.dumps(picked, default=_iso, ensure_ascii=False, indent=1) + "\n"
    return csv_table(fields, ([row[field] for field in fields] for row in picked))


def csv_table(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV. Times are in ISO 8601, what is unknown is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """What a spreadsheet takes as it is meant: text that begins a formula there is quoted."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return _iso(value) if isinstance(value, date | datetime) else value


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
