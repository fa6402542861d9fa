"""Transactions that read or write, and database errors as the services' own errors."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection

from common.db.address import DatabaseAddress
from common.db.engine import WRITES, create_engine
from common.errors import StoreConflict, StoreError, StoreRejected, StoreUnavailable


class Database:
    """A database and its connections. Nothing is connected before the first transaction."""

    def __init__(self, address: DatabaseAddress) -> None:
        """:raises ConfigError: the driver is not installed"""
        self.address = address
        self.engine = create_engine(address)
        # SQLite has one writer. Its own waiting is by polling and is not fair.
        self._writer = asyncio.Lock() if address.is_sqlite else None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, and sees the database as of one moment.

        On SQLite it takes no write lock.

        :raises StoreError:
        """
        with store_errors(self.address.shown):
            async with self.engine.connect() as connection:
                if not self.address.is_sqlite:
                    await connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes: committed at the end, rolled back on any error.

        On SQLite no other transaction can write until it ends.

        :raises StoreError:
        """
        async with AsyncExitStack() as stack:
            if self._writer is not None:
                await stack.enter_async_context(self._writer)
            stack.enter_context(store_errors(self.address.shown))
            connection = await stack.enter_async_context(self.engine.connect())
            await connection.execution_options(**{WRITES: True})
            await stack.enter_async_context(connection.begin())
            yield connection

    async def truncate_wal(self) -> None:
        """Remove what was deleted from SQLite's write-ahead log, too. PostgreSQL: nothing to do.

        :raises StoreError:
        """
        if not self.address.is_sqlite:
            return
        with store_errors(self.address.shown):
            async with self.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


@contextmanager
def store_errors(database: str) -> Iterator[None]:
    """Raise what drivers and SQLAlchemy raise as StoreError, with the database's name.

    The message has neither the statement nor its values.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError, UnicodeError) as error:
        raise _translated(error, database) from error
    except Exception as error:
        if not _is_asyncpg(error):
            raise
        # Raised while connecting: SQLAlchemy passes these on as they are.
        raise StoreUnavailable(_message(error, database)) from error


def _translated(error: Exception, database: str) -> StoreError:
    message = _message(error, database)
    if isinstance(error, IntegrityError):
        return StoreConflict(message)
    if isinstance(error, DataError | UnicodeError) or _bad_value(error):
        return StoreRejected(message)
    return StoreUnavailable(message)


def _bad_value(error: Exception) -> bool:
    """Whether SQLAlchemy or asyncpg could not convert a value for the database."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, StatementError)
    # Not every error of SQLSTATE class 22, "data exception", is a DataError to SQLAlchemy.
    return str(getattr(error.orig, "sqlstate", "")).startswith("22")


def _message(error: Exception, database: str) -> str:
    cause = getattr(error, "orig", None) or error
    text = re.sub(r"^<class '[^']*'>: ", "", str(cause)).strip().partition("\n")[0]
    return f"database {database}: {text or type(cause).__name__}"


def _is_asyncpg(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] == "asyncpg"
