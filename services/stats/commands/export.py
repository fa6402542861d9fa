"""Raw tables out of the database, for other programs: CSV, JSON lines or Parquet.

Rows come in batches, so that memory does not grow with the database.
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
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER

BATCH = 5000

Rows = Sequence[Mapping[str, Any]]
Write = Callable[[Rows], None]


class ExportFormat(StrEnum):
    """What a file is written as."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class What(StrEnum):
    """What is exported, a file each."""

    SESSIONS = "sessions"
    ACTIVITY = "activity"
    USER_DAYS = "user_days"
    MEMBERSHIPS = "memberships"
    POLLS = "polls"


COLUMNS: dict[What, tuple[tuple[str, type], ...]] = {
    What.SESSIONS: (
        ("user", str),
        ("server", str),
        ("profile", str),
        ("started", datetime),
        ("last_activity", datetime),
        ("ended", datetime),
    ),
    What.ACTIVITY: (("user", str), ("start", datetime), ("end", datetime)),
    What.USER_DAYS: (
        ("day", date),
        ("user", str),
        ("active_seconds", int),
        ("idle_seconds", int),
        ("sessions", int),
    ),
    What.MEMBERSHIPS: (("group", str), ("user", str), ("since", datetime), ("until", datetime)),
    What.POLLS: (
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


async def read(store: Store, what: What, window: Interval) -> AsyncIterator[Rows]:
    """The rows that lie in the window, in batches. What has not ended has no end."""
    async with (
        store.reading() as connection,
        connection.stream(_query(store, what, window)) as rows,
    ):
        async for batch in rows.partitions(BATCH):
            yield [_plain(dict(row._mapping)) for row in batch]


def _query(store: Store, what: What, window: Interval) -> Select[Any]:
    s, a, d, m, p = t.sessions.c, t.activity.c, t.user_days.c, t.memberships.c, t.polls.c
    user = t.users.c.name.label("user")
    first, last = (moment.astimezone(store.zone).date() for moment in window)
    if what is What.SESSIONS:
        profile = t.profiles.c.name.label("profile")
        return (
            select(user, s.server, profile, s.started, s.last_activity, s.ended)
            .select_from(t.sessions.join(t.users).outerjoin(t.profiles))
            .where(s.started < window.end, s.ended > window.start)
            .order_by(s.id)
        )
    if what is What.ACTIVITY:
        return (
            select(user, a.start, a.seconds)
            .select_from(t.activity.join(t.users))
            .where(a.start < window.end, a.start >= window.start - LONGEST)
            .order_by(a.start, a.user_id)
        )
    if what is What.USER_DAYS:
        return (
            select(d.day, user, d.active_seconds, d.idle_seconds, d.sessions)
            .select_from(t.user_days.join(t.users))
            .where(d.day >= first, d.day <= last)
            .order_by(d.day, d.user_id)
        )
    if what is What.MEMBERSHIPS:
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


def writer(form: ExportFormat, what: What, path: Path) -> AbstractContextManager[Write]:
    """Opens the file; give the rows to what it yields. Raises ConfigError without pyarrow."""
    columns = COLUMNS[what]
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
