"""The culler's database: opening it, its schema, its transactions, its errors."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Self

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.db.engine import make_engine, parse_url, try_file
from common.errors import ConfigError
from services.cull.store.records import StoreError
from services.cull.store.tables import (
    SCHEMA,
    audit,
    extensions,
    holds,
    metadata,
    schema,
)

AUDIT_DAYS = 180
KEEP_EXPIRED = timedelta(days=7)
_PRUNE_EVERY = timedelta(hours=1)
# Any number, the same in all our processes: who makes the schema locks it on PostgreSQL.
_SCHEMA_LOCK = 0x63756C6C


class Database:
    """A database in SQLite or PostgreSQL with the culler's schema.

    db_url: as for SQLAlchemy; plain ``sqlite:///file`` and ``postgresql://...`` are fine.
    """

    def __init__(self, db_url: str) -> None:
        self._url = parse_url(db_url)
        self._engine: AsyncEngine | None = None
        self._pruned: datetime | None = None

    async def open(self) -> None:
        """Connect, and make the schema where there is none yet.

        Raises ConfigError when the schema is a newer one than this release knows, StoreError when
        the database is out of reach; open may then be called again.
        """
        engine = make_engine(self._url)
        try:
            with _store_errors(self._where):
                await asyncio.to_thread(try_file, self._url)
                async with engine.begin() as connection:
                    await self._make_schema(connection)
        except BaseException:
            await engine.dispose()
            raise
        self._engine = engine

    async def close(self) -> None:
        """Let go of all connections."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        async with self.reading() as connection:
            await connection.execute(sa.select(schema.c.version))

    async def prune(self, now: datetime) -> None:
        """Delete what has expired."""
        self._pruned = None
        async with self.writing(now):
            pass

    @property
    def _where(self) -> str:
        return self._url.render_as_string(hide_password=True).partition("?")[0]

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads."""
        if self._engine is None:
            raise StoreError("the database is not open")
        with _store_errors(self._where):
            reader = self._engine.execution_options(only_reads=True)
            async with reader.begin() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, now: datetime) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end; the first of an hour deletes what has expired."""
        if self._engine is None:
            raise StoreError("the database is not open")
        with _store_errors(self._where):
            async with self._engine.begin() as connection:
                if self._pruned is None or abs(now - self._pruned) >= _PRUNE_EVERY:
                    await _prune(connection, now)
                    self._pruned = now
                yield connection

    async def _make_schema(self, connection: AsyncConnection) -> None:
        if connection.dialect.name == "postgresql":
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        await connection.run_sync(lambda sync: schema.create(sync, checkfirst=True))
        version = await connection.scalar(sa.select(sa.func.max(schema.c.version)))
        if version is not None and version > SCHEMA:
            raise ConfigError(
                [
                    f"--db-url: {self._where} was written by a newer release (schema {version},"
                    f" this one knows {SCHEMA}): upgrade jupyterhub-classroom, or name another"
                    " database"
                ]
            )
        await connection.run_sync(metadata.create_all)
        if version is None:
            await connection.execute(sa.insert(schema).values(version=SCHEMA))


@contextmanager
def _store_errors(where: str) -> Iterator[None]:
    """Name the database in errors, without its password; leave conflicts to the caller."""
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError) as error:
        cause = getattr(error, "orig", None) or error
        raise StoreError(f"database {where}: {type(cause).__name__}: {cause}") from error


async def _prune(connection: AsyncConnection, now: datetime) -> None:
    # Not at once: should a clock have run ahead for a while, holds are in force again after it.
    expired = now - KEEP_EXPIRED
    await connection.execute(
        sa.delete(extensions).where(extensions.c.until <= expired, extensions.c.made <= expired)
    )
    await connection.execute(sa.delete(holds).where(holds.c.until <= expired))
    await connection.execute(sa.delete(audit).where(audit.c.at <= now - timedelta(days=AUDIT_DAYS)))
