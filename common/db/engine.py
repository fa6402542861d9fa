"""The engine for a database: one set of timeouts, SQLite prepared for several processes."""

import contextlib
import os
import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from common.db.address import DatabaseAddress
from common.db.checks import MISSING_DRIVER
from common.errors import ConfigError

CONNECT_SECONDS = 10
"""How long PostgreSQL may take to accept a connection."""

STATEMENT_SECONDS = 120
"""How long PostgreSQL may take for one statement: a database that hangs must not hang us."""

BUSY_SECONDS = 30
"""How long SQLite waits for another process that writes, and a task for a free connection."""

WRITES = "classroom_writes"
"""The execution option of a connection whose transactions write."""


def create_engine(address: DatabaseAddress) -> AsyncEngine:
    """An engine. Nothing is connected yet.

    :raises ConfigError: the driver is not installed
    """
    if address.is_sqlite:
        return _sqlite_engine(address)
    try:
        return create_async_engine(
            address.url,
            pool_pre_ping=True,
            pool_timeout=BUSY_SECONDS,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS},
        )
    except ModuleNotFoundError:
        raise ConfigError([f"--db-url: {MISSING_DRIVER}"]) from None


def _sqlite_engine(address: DatabaseAddress) -> AsyncEngine:
    # Each connection to a database in memory would see another database.
    single = {"pool_size": 1, "max_overflow": 0} if address.file is None else {}
    engine = create_async_engine(
        address.url, poolclass=AsyncAdaptedQueuePool, pool_timeout=BUSY_SECONDS, **single
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        use_wal(cursor)
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later fails when another process wrote in
        # between. One that only reads takes no lock that a writer would wait for.
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def use_wal(cursor: Any) -> None:
    """Let readers and the writer of the connection's SQLite file work without waiting.

    When several processes open a new file at once, one of them changes the mode for all. The
    others get SQLITE_BUSY at once, whatever the busy timeout, and can go on.
    """
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        primary_code = error.sqlite_errorcode & 0xFF  # the rest is the extended code
        if primary_code != sqlite3.SQLITE_BUSY:
            raise


def prepare_file(address: DatabaseAddress) -> None:
    """Create the SQLite file if there is none, readable by its owner only. Blocks.

    The file is opened once here, since aiosqlite leaves a thread behind, which may print a
    traceback, when it cannot open a file.

    :raises sqlite3.Error: the file cannot be opened
    """
    if address.file is not None:
        if not address.file.parent.is_dir():
            raise sqlite3.OperationalError(
                f"the directory {address.file.parent} does not exist; create it first"
            )
        with contextlib.suppress(OSError):  # SQLite reports what is wrong with the path
            os.close(os.open(address.file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        sqlite3.connect(address.file).close()
