"""Databases under asyncio: the URLs that people write, engines that fit, times in UTC.

SQLite by aiosqlite, PostgreSQL by asyncpg; nothing else.
"""

import contextlib
import os
import sqlite3
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from common.clock import as_utc
from common.errors import ConfigError

CONNECT_SECONDS = 10
BUSY_SECONDS = 10  # for as long SQLite waits for another process that writes
COMMAND_SECONDS = 60  # a database that hangs must not hang its service
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
}
_WANTED = (
    "write sqlite:///FILE (sqlite:////ABSOLUTE/FILE) or postgresql://USER:PASSWORD@HOST/DATABASE"
)


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


def parse_url(url: str) -> sa.URL:
    """The URL with the driver that works under asyncio, whatever driver it names.

    libpq's ``sslmode`` is given to asyncpg as ``ssl``.

    :raises ConfigError: without the URL in it, as that may hold a password
    """
    scheme, separator, rest = url.strip().partition("://")
    driver = _DRIVERS.get(scheme.partition("+")[0].lower())
    if not separator or driver is None:
        raise ConfigError([f"--db-url: this is no URL of a database that we know; {_WANTED}"])
    try:
        parsed = sa.make_url(f"{driver}://{rest}")
    except (ArgumentError, ValueError):
        raise ConfigError([f"--db-url: this is no database URL; {_WANTED}"]) from None
    sslmode = parsed.query.get("sslmode")
    if driver.startswith("postgresql") and isinstance(sslmode, str):
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": sslmode})
    return parsed


def make_engine(url: sa.URL) -> AsyncEngine:
    """An engine. Nothing is connected yet. :raises ConfigError: the driver is not installed"""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    try:
        return create_async_engine(
            url,
            pool_pre_ping=True,
            pool_size=5,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS},
        )
    except ModuleNotFoundError:
        hint = "pip install 'jupyterhub-classroom[postgresql]'"
        raise ConfigError([f"--db-url: PostgreSQL needs asyncpg; {hint}"]) from None


def _sqlite_engine(url: sa.URL) -> AsyncEngine:
    # One connection: SQLite has one writer anyhow, and waiting here is fair where its own is not.
    engine = create_async_engine(
        url, poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0, pool_timeout=30
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
        cursor.execute("PRAGMA synchronous = FULL")
        use_wal(cursor)
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begun(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later fails when another process wrote between.
        reads = connection.get_execution_options().get("only_reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def use_wal(cursor: Any) -> None:
    """Let readers and a writer of the connection's SQLite file not wait for each other.

    Of several that open a new file at once, one changes its mode for all; the others are told,
    without any wait, that it is locked, and that is no fault.
    """
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # without what is said beyond it
            raise


def try_file(url: sa.URL) -> None:
    """Open and close a SQLite file, where the URL names one; raises sqlite3.Error. Blocks.

    A new file can be read by its owner alone: who did what when is nobody else's.
    aiosqlite, when it cannot open a file, leaves a thread behind that may print a traceback.
    """
    path = url.database
    if url.get_backend_name() == "sqlite" and path and not path.startswith((":", "file:")):
        with contextlib.suppress(OSError):  # SQLite will say what is wrong with it
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        sqlite3.connect(path).close()
