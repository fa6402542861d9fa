"""``export``: write the detailed records to files for other programs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from services.stats.commands.export_formats import ExportFormat, writer
from services.stats.days import bounds, day_of, midnight
from services.stats.intervals import Interval
from services.stats.query.question import Range, one_of
from services.stats.store.export import ExportTable, read_rows
from services.stats.store.store import Store


@dataclass(frozen=True)
class ExportOptions:
    """What to export, from the command line."""

    range: Range
    form: ExportFormat
    tables: Sequence[ExportTable]

    @classmethod
    def parse(cls, options: Mapping[str, str], problems: list[str]) -> "ExportOptions":
        """From ``since``, ``until``, ``format`` and ``what``, each optional.

        Appends mistakes to ``problems``.
        """
        names = [name for name in options.get("what", "").split(",") if name]
        form = one_of("--format", options.get("format", "csv"), list(ExportFormat), problems)
        return cls(
            Range.parse(options, problems),
            ExportFormat(form),
            [ExportTable(one_of("--what", name, list(ExportTable), problems)) for name in names]
            or list(ExportTable),
        )


async def export(store: Store, directory: Path, options: ExportOptions) -> str:
    """Write each table to a file in the directory; returns what to print.

    :raises ConfigError: Parquet without pyarrow
    """
    form = options.form
    first, last = options.range.days(day_of(datetime.now(UTC), store.zone))
    if options.range.since is None:
        first = date(1970, 1, 2)
    window = Interval(midnight(first, store.zone), bounds(last, store.zone).end)
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    lines = []
    for table in options.tables:
        path = directory / f"{table}.{'jsonl' if form is ExportFormat.JSON else form}"
        number = 0
        with writer(form, table, path) as write:
            async for rows in read_rows(store, table, window):
                write(rows)
                number += len(rows)
        lines.append(f"{path}: {number:,} rows\n")
    return "".join(lines)
