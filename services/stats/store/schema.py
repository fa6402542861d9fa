"""Open the database and bring its schema up to date.

Alembic is imported only where a step is to be made: a report starts without it.
"""

import logging
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from common.db.engine import use_wal
from common.errors import ConfigError, ServiceError

log = logging.getLogger(__name__)

HEAD = "0001"
"""The newest step in ``migrations/versions``; a test holds the two together."""

OLDER_STEPS: frozenset[str] = frozenset()
"""The steps before it, from which this version can migrate."""

WANTED = (
    "write sqlite:///FILE (sqlite:////ABSOLUTE/FILE) or postgresql://USER:PASSWORD@HOST/DATABASE"
)

BUSY_SECONDS = 30
"""How long a writer of SQLite waits for another."""

CONNECT_SECONDS = 10
COMMAND_SECONDS = 120
"""What PostgreSQL may take to let us in, and for one statement, before it counts as away."""


class SchemaError(ServiceError):
    """The database's tables are not those that this version works with."""


def parse_db_url(db_url: str) -> URL:
    """The URL with the driver we use. Raises ConfigError for a database we cannot use.

    The URL is in no message, as it may hold a password. libpq's ``sslmode`` becomes asyncpg's
    ``ssl``.
    """
    try:
        url = make_url(db_url)
    except ArgumentError as exc:
        raise ConfigError([f"--db-url: that is no database URL; {WANTED}"]) from exc
    kind = url.get_backend_name()
    if kind == "sqlite":
        return url.set(drivername="sqlite+aiosqlite")
    if kind not in ("postgresql", "postgres"):
        raise ConfigError([f"--db-url: {kind!r} is not supported; {WANTED}"])
    query = {"ssl" if key == "sslmode" else key: value for key, value in url.query.items()}
    return url.set(drivername="postgresql+asyncpg", query=query)


def sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite database; None for PostgreSQL and for one in memory."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def make_engine(db_url: str) -> AsyncEngine:
    """An engine for the URL. Nothing is connected yet. Raises ConfigError."""
    url = parse_db_url(db_url)
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": BUSY_SECONDS})
        _prepare_sqlite(engine)
        return engine
    try:
        return create_async_engine(
            url,
            pool_pre_ping=True,
            pool_size=4,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS},
        )
    except ModuleNotFoundError as exc:
        raise ConfigError(
            ["--db-url: PostgreSQL needs asyncpg; pip install 'jupyterhub-classroom[postgresql]'"]
        ) from exc


def _prepare_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # We begin transactions ourselves, below, or a writer could not take its lock first.
        connection.isolation_level = None
        cursor = connection.cursor()
        for setting in ("synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {setting}")
        use_wal(cursor)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def bring_up_to_date(engine: AsyncEngine, *, migrate: bool = True) -> bool:
    """Make or migrate the tables; whether there was anything to do.

    Raises SchemaError if the schema is newer than this version, or older (or missing) and
    ``migrate`` is False.
    """
    async with engine.connect() as connection:
        found = await connection.run_sync(_revision)
    if found == HEAD:
        return False
    if found is not None and found not in OLDER_STEPS:
        raise SchemaError(
            f"the database has schema {found!r}, which this version (schema {HEAD!r}) does not "
            "know: it was written by a newer one. Update jupyterhub-classroom, or use another "
            "database. Nothing was changed."
        )
    if not migrate:
        state = "no tables yet" if found is None else f"the older schema {found!r}"
        raise SchemaError(
            f"the database has {state} and --no-migrate is set; start once without it to bring "
            f"it to schema {HEAD!r}"
        )
    async with engine.connect() as connection:
        connection = await connection.execution_options(writes=True)
        async with connection.begin():
            await connection.run_sync(_upgrade)
    log.info("the database's tables are now of schema %s (before: %s)", HEAD, found or "none")
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells every plug-in
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        # Two services that start together must not both make the tables.
        connection.execute(text("SELECT pg_advisory_xact_lock(7461003)"))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
