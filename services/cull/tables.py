"""The culler's tables, and an engine that fits the database they are in."""

import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from common.clock import as_utc
from services.cull.records import Event, Hold, HoldKind

SCHEMA = 1
"""Of this release. A database of a newer one is refused, see HoldStore.open."""


class UtcDateTime(sa.TypeDecorator[datetime]):
    """Aware UTC times, also on SQLite, which keeps no offset."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else as_utc(value)


metadata = sa.MetaData()
schema = sa.Table(
    "cull_schema", metadata, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False)
)
extensions = sa.Table(
    "cull_extensions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_name", sa.Unicode(255), nullable=False),
    sa.Column("server_name", sa.Unicode(255), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("made", UtcDateTime, nullable=False),
    sa.Column("made_by", sa.Unicode(255), nullable=False),
    sa.UniqueConstraint("user_name", "server_name", "number"),
    sa.Index("cull_extensions_made", "made"),
)
holds = sa.Table(
    "cull_holds",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Unicode(10), nullable=False),
    sa.Column("name", sa.Unicode(255), nullable=False),
    sa.Column("server_name", sa.Unicode(255), nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("why", sa.UnicodeText, nullable=False),
    sa.Column("made", UtcDateTime, nullable=False),
    sa.Column("made_by", sa.Unicode(255), nullable=False),
    sa.UniqueConstraint("kind", "name", "server_name"),
    # An id that was released is never given out again: an old page must not release a new hold.
    sqlite_autoincrement=True,
)
audit = sa.Table(
    "cull_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("who", sa.Unicode(255), nullable=False),
    sa.Column("action", sa.Unicode(32), nullable=False),
    sa.Column("target", sa.Unicode(10), nullable=False),
    sa.Column("name", sa.Unicode(255), nullable=False),
    sa.Column("server_name", sa.Unicode(255)),
    sa.Column("reason", sa.UnicodeText, nullable=False),
    sa.Column("rule", sa.UnicodeText, nullable=False),
    sa.Column("outcome", sa.Unicode(32), nullable=False),
    sa.Column("until", UtcDateTime),
)


def make_engine(url: sa.URL) -> AsyncEngine:
    """An engine for SQLite or PostgreSQL. Nothing is connected yet."""
    if url.get_backend_name() != "sqlite":
        return create_async_engine(
            url, pool_pre_ping=True, pool_size=5, connect_args={"timeout": 10}
        )
    # One connection: SQLite has one writer anyhow, and waiting here is fair where its own is not.
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0, pool_timeout=30
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 10000")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begun(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later fails when another process wrote between.
        reads = connection.get_execution_options().get("cull_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def try_file(url: sa.URL) -> None:
    """Open and close a SQLite file, where the URL names one; raises sqlite3.Error. Blocks.

    aiosqlite, when it cannot open a file, leaves a thread behind that may print a traceback.
    """
    path = url.database
    if url.get_backend_name() == "sqlite" and path and not path.startswith((":", "file:")):
        sqlite3.connect(path).close()


def hold_from(row: sa.Row[Any]) -> Hold:
    """A row of holds."""
    return hold_of(row.id, row._mapping)


def hold_of(hold_id: int, values: Any) -> Hold:
    """A hold from its values by column."""
    return Hold(
        id=hold_id,
        kind=HoldKind(values["kind"]),
        name=values["name"],
        server=values["server_name"],
        until=as_utc(values["until"]),
        by=values["made_by"],
        why=values["why"],
        made=as_utc(values["made"]),
    )


def event_from(row: sa.Row[Any]) -> Event:
    """A row of audit."""
    return Event(
        at=row.at,
        who=row.who,
        action=row.action,
        target=row.target,
        name=row.name,
        server=row.server_name,
        reason=row.reason,
        rule=row.rule,
        outcome=row.outcome,
        until=row.until,
    )


def event_values(event: Event) -> dict[str, Any]:
    """An audit line as a row."""
    values = asdict(event)
    values["server_name"] = values.pop("server")
    return values
