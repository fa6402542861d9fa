"""The files of an export: CSV, JSON lines or Parquet.

Rows are written in batches, so memory does not grow with the database.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from common.csv_table import csv_rows
from common.errors import ConfigError
from services.stats.store.export import ExportTable, Rows

Write = Callable[[Rows], object]


class ExportFormat(StrEnum):
    """The format of a file."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


COLUMNS: dict[ExportTable, tuple[tuple[str, type], ...]] = {
    ExportTable.SESSIONS: (
        ("user", str),
        ("server", str),
        ("profile", str),
        ("started", datetime),
        ("last_activity", datetime),
        ("ended", datetime),
        ("image", str),
    ),
    ExportTable.ACTIVITY: (("user", str), ("start", datetime), ("end", datetime)),
    ExportTable.USER_DAYS: (
        ("day", date),
        ("user", str),
        ("active_seconds", int),
        ("idle_seconds", int),
        ("sessions", int),
    ),
    ExportTable.MEMBERSHIPS: (
        ("group", str),
        ("user", str),
        ("since", datetime),
        ("until", datetime),
    ),
    ExportTable.POLLS: (
        ("time", datetime),
        ("interval", int),
        ("milliseconds", int),
        ("whole", bool),
        ("full", bool),
        ("users", int),
        ("servers", int),
        ("active", int),
    ),
}


def writer(form: ExportFormat, table: ExportTable, path: Path) -> AbstractContextManager[Write]:
    """Open the file; yields the function that writes rows to it.

    :raises ConfigError: Parquet without pyarrow
    """
    columns = COLUMNS[table]
    if form is ExportFormat.CSV:
        return _csv(path, [name for name, _ in columns])
    if form is ExportFormat.JSON:
        return _json_lines(path, [name for name, _ in columns])
    return _parquet(path, columns)


@contextmanager
def _csv(path: Path, names: Sequence[str]) -> Any:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_rows([names], newline="\r\n"))
        yield lambda rows: file.write(
            csv_rows(([row[name] for name in names] for row in rows), newline="\r\n")
        )


@contextmanager
def _json_lines(path: Path, names: Sequence[str]) -> Any:
    with path.open("w", encoding="utf-8") as file:

        def write(rows: Rows) -> None:
            for row in rows:
                line = {name: _text(row[name]) for name in names}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

        yield write


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value


@contextmanager
def _parquet(path: Path, columns: Sequence[tuple[str, type]]) -> Any:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # it has no types
        from pyarrow import parquet
    except ModuleNotFoundError as exc:
        raise ConfigError(
            ["parquet needs pyarrow: pip install 'jupyterhub-classroom[parquet]'"]
        ) from exc
    types = {
        str: pa.string(),
        int: pa.int64(),
        bool: pa.bool_(),
        date: pa.date32(),
        datetime: pa.timestamp("s", tz="UTC"),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in columns])
    with parquet.ParquetWriter(path, schema) as out:
        yield lambda rows: out.write_table(pa.Table.from_pylist(list(rows), schema=schema))
