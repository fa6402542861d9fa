"""The formats of a report: a table for the terminal, CSV and JSON. Pure."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from common.csv_table import csv_table
from services.stats.commands.tables.report_columns import PERSON_COLUMNS, SUMMARY_COLUMNS, Column
from services.stats.commands.tables.text_table import (
    WIDTH,
    paragraph,
    printable,
    shorten,
    table,
    that_fit,
)
from services.stats.days import BETWEEN_TERMS
from services.stats.query.figures import Kind, resolution_note
from services.stats.query.glance.units import HOUR, duration, number
from services.stats.query.people import PersonRow
from services.stats.query.periods import COVERAGE, Summary
from services.stats.query.uncounted import Uncounted


class Format(StrEnum):
    """The format of a report."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"
    """A page to print; ``services/stats/meeting`` makes it."""


class _Row(Protocol):
    def _asdict(self) -> dict[str, Any]: ...


def summaries(
    rows: Sequence[Summary],
    form: Format,
    zone: ZoneInfo,
    *,
    wide: bool = False,
    resolution: int | None = None,
) -> str:
    """The report by period, with times in the given zone.

    ``wide``: with all columns. ``resolution``: the seconds between polls.
    """
    rows = [
        row._replace(peak_at=row.peak_at.astimezone(zone)) if row.peak_at else row for row in rows
    ]
    if form is not Format.TABLE:
        return rows_as(rows, Summary._fields, form)
    by_day = all(row.first == row.last for row in rows)
    if wide:
        columns = list(SUMMARY_COLUMNS)
        days = [["from", "to"], *([f"{row.first}{_mark(row)}", str(row.last)] for row in rows)]
        if any(row.name for row in rows):
            days = _beside([["term"], *([row.name or ""] for row in rows)], days)
    else:
        columns = [one for one in SUMMARY_COLUMNS if one.rank and (one.by_day or not by_day)]
        days = [["day" if by_day else "period"], *([_period(row) + _mark(row)] for row in rows)]
        cells = _beside(days, _cells(rows, columns))
        ranked = sorted(range(len(columns)), key=lambda index: columns[index].rank)
        shown = that_fit(cells, [0, *(index + 1 for index in ranked)])
        columns = [columns[index - 1] for index in shown[1:]]
    text, _ = table(_beside(days, _cells(rows, columns)), left=len(days[0]))
    notes = _notes(rows, zone, resolution, wide=wide)
    return text + "\n" + _legend(columns) + notes


def _beside(left: Sequence[list[str]], right: Sequence[list[str]]) -> list[list[str]]:
    return [a + b for a, b in zip(left, right, strict=True)]


def _mark(row: Summary) -> str:
    """Marks a period whose numbers are lower bounds."""
    return "*" if not row.complete and row.active_users is not None else ""


def _period(row: Summary) -> str:
    """The name of a term; else the days, the year of the last one only if it is another."""
    if row.name and row.name != BETWEEN_TERMS:
        return shorten(row.name, len("2025-12-29 to 2026-01-04"))
    if row.first == row.last:
        return row.first.isoformat()
    last = f"{row.last:%m-%d}" if row.first.year == row.last.year else row.last.isoformat()
    return f"{row.first} to {last}"


def _legend(columns: Sequence[Column]) -> str:
    size = max(len(column.title) for column in columns)
    return "".join(paragraph(f"{one.title:{size}}  {one.meaning}.", size + 2) for one in columns)


def _notes(rows: Sequence[Summary], zone: ZoneInfo, resolution: int | None, *, wide: bool) -> str:
    notes = [f"Days and times are in {zone.key}."]
    if resolution is not None:
        notes.append(resolution_note(resolution))
    if any(row.active_users is None for row in rows):
        notes.append("A dash: not known.")
    if any(_mark(row) for row in rows):
        notes.append(
            f"*  Not over yet, or less than {100 * COVERAGE:.0f} % observed: the numbers are lower"
            " bounds and do not count in averages."
        )
    if not wide:
        notes.append("All columns: --wide, or --format=csv.")
    return "\n" + "".join(map(paragraph, notes))


def people(rows: Sequence[PersonRow], form: Format, *, wide: bool = False) -> str:
    """The list of inactive users. ``wide``: with names of any length."""
    if form is not Format.TABLE:
        return rows_as(rows, [column.field for column in PERSON_COLUMNS], form)
    text, cut = table(_cells(rows, PERSON_COLUMNS, "never"), most=None if wide else WIDTH)
    note = "Long names are cut: --wide and --format=csv have them in full.\n" if cut else ""
    return f"{text}{note}{len(rows):,} not active\n"


def not_counted(found: Uncounted, *, whole_hub: bool) -> str:
    """Who is not counted; nothing if everybody is."""
    text = ""
    if found.patterns:
        noun = "user" if whole_hub else "member"
        text = f"Not counted: {found.number:,} {noun}{'s' * (found.number != 1)} ({found.listed})."
    if found.number and whole_hub:
        text += f" {found.included}"
    if found.since:
        text += f" This applies from {found.since}; earlier days remain as they were counted."
    return paragraph(text.strip()) if text else ""


def rows_as(rows: Sequence[_Row], fields: Sequence[str], form: Format) -> str:
    """Any records as CSV or JSON. Times are in ISO 8601; unknown values are empty or null."""
    selected = [{field: row._asdict()[field] for field in fields} for row in rows]
    if form is Format.JSON:
        return json.dumps(selected, default=_iso, ensure_ascii=False, indent=1) + "\n"
    return csv_table(fields, ([row[field] for field in fields] for row in selected))


def _iso(value: date | datetime) -> str:
    return value.isoformat()


def _cells(rows: Sequence[_Row], columns: Sequence[Column], none: str = "-") -> list[list[str]]:
    """The headings and the rows as a person reads them; ``none`` in place of None."""
    cells = [[column.title for column in columns]]
    for row in rows:
        values = row._asdict()
        found = ((values[column.field], column.kind) for column in columns)
        cells.append([none if value is None else _cell(value, kind) for value, kind in found])
    return cells


def _cell(value: Any, kind: Kind) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, str):
        return printable(value)
    if kind is Kind.HOURS:
        return duration(value * HOUR)
    if kind is Kind.MINUTES:
        return duration(value)
    if kind is Kind.PERCENT:
        return f"{number(value)}%"
    return number(value) if kind.numeric else str(value)
