"""``export``: write the detailed records to files for other programs."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from common.errors import ConfigError
from services.stats.commands.export_formats import ExportFormat, writer
from services.stats.days import bounds, day_of, midnight
from services.stats.intervals import Interval
from services.stats.query.question import Range, one_of
from services.stats.store.export import ExportTable, read_rows
from services.stats.store.store import Store


async def export(store: Store, directory: Path, options: Mapping[str, str]) -> str:
    """Write each table to a file in the directory; returns what to print.

    ``options`` are those of the command line: ``since``, ``until``, ``format`` and ``what``, each
    optional. Raises ConfigError, listing all invalid ones.
    """
    problems: list[str] = []
    requested = Range.parse(options, problems)
    form = ExportFormat(
        one_of("--format", options.get("format", "csv"), list(ExportFormat), problems)
    )
    names = [name for name in options.get("what", "").split(",") if name]
    tables = [
        ExportTable(one_of("--what", name, list(ExportTable), problems)) for name in names
    ] or ExportTable
    if problems:
        raise ConfigError(problems)
    first, last = requested.days(day_of(datetime.now(UTC), store.zone))
    if requested.since is None:
        first = date(1970, 1, 2)
    window = Interval(midnight(first, store.zone), bounds(last, store.zone).end)
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    lines = []
    for table in tables:
        path = directory / f"{table}.{'jsonl' if form is ExportFormat.JSON else form}"
        number = 0
        with writer(form, table, path) as write:
            async for rows in read_rows(store, table, window):
                write(rows)
                number += len(rows)
        lines.append(f"{path}: {number:,} rows\n")
    return "".join(lines)
