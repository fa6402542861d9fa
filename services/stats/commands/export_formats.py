"""The files of an export: CSV, JSON lines or Parquet.

Records are read and written in batches, so memory does not grow with the database.
"""

import csv
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select

from common.errors import ConfigError
from services.stats.intervals import Interval
from services.stats.record.sampler import LONGEST
from services.stats.store import tables as t
from services.stats.store.tables import FOREVER
from services.stats.store.writer import Store

BATCH = 5000

Rows = Sequence[Mapping[str, Any]]
Write = Callable[[Rows], None]


class ExportFormat(StrEnum):
    """The format of the files."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class ExportTable(StrEnum):
    """What can be exported, each to its own file."""

    SESSIONS = "sessions"
    ACTIVITY = "activity"
    USER_DAYS = "user_days"
    MEMBERSHIPS = "memberships"
    POLLS = "polls"


COLUMNS: dict[ExportTable, tuple[tuple[str, type], ...]] = {
    ExportTable.SESSIONS: (
        ("user", str),
        ("server", str),
        ("profile", str),
        ("started", datetime),
        ("last_activity", datetime),
        ("ended", datetime),
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


async def read_rows(store: Store, table: ExportTable, window: Interval) -> AsyncIterator[Rows]:
    """The records inside the window, in batches. What has not ended yet has no end."""
    async with (
        store.reading() as connection,
        connection.stream(_query(store, table, window)) as rows,
    ):
        async for batch in rows.partitions(BATCH):
            yield [_plain(dict(row._mapping)) for row in batch]


def _query(store: Store, table: ExportTable, window: Interval) -> Select[Any]:
    s, a, d, m, p = t.sessions.c, t.activity.c, t.user_days.c, t.memberships.c, t.polls.c
    user = t.users.c.name.label("user")
    first, last = (moment.astimezone(store.zone).date() for moment in window)
    if table is ExportTable.SESSIONS:
        profile = t.profiles.c.name.label("profile")
        return (
            select(user, s.server, profile, s.started, s.last_activity, s.ended)
            .select_from(t.sessions.join(t.users).outerjoin(t.profiles))
            .where(s.started < window.end, s.ended > window.start)
            .order_by(s.id)
        )
    if table is ExportTable.ACTIVITY:
        return (
            select(user, a.start, a.seconds)
            .select_from(t.activity.join(t.users))
            .where(a.start < window.end, a.start >= window.start - LONGEST)
            .order_by(a.start, a.user_id)
        )
    if table is ExportTable.USER_DAYS:
        return (
            select(d.day, user, d.active_seconds, d.idle_seconds, d.sessions)
            .select_from(t.user_days.join(t.users))
            .where(d.day >= first, d.day <= last)
            .order_by(d.day, d.user_id)
        )
    if table is ExportTable.MEMBERSHIPS:
        return (
            select(t.groups.c.name.label("group"), user, m.since, m.until)
            .select_from(t.memberships.join(t.users).join(t.groups))
            .where(m.since < window.end, m.until > window.start)
            .order_by(m.group_id, m.user_id, m.since)
        )
    return select(t.polls).where(p.time >= window.start, p.time < window.end).order_by(p.time)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    if "seconds" in row:
        row["end"] = row["start"] + timedelta(seconds=row.pop("seconds"))
    for key in ("ended", "until"):
        if row.get(key) == FOREVER:
            row[key] = None
    return row


def writer(form: ExportFormat, table: ExportTable, path: Path) -> AbstractContextManager[Write]:
    """Open the file; gives a function that writes records to it.

    Raises ConfigError if the format is Parquet and pyarrow is not installed.
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
        out = csv.writer(file)
        out.writerow(names)
        yield lambda rows: out.writerows([_text(row[name]) for name in names] for row in rows)


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
            [
                "--format=parquet requires pyarrow; install it with:"
                " pip install 'jupyterhub-classroom[parquet]'"
            ]
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
