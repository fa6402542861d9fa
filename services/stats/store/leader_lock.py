"""One recorder at a time: the others wait, and one takes over when the first is gone.

On SQLite a lock on a file beside the database, on PostgreSQL an advisory lock that lives as
long as its connection. Either is freed by the system when the process is killed. (A file
lock on a network file system is as good as that file system's locking.)
"""

import fcntl
import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.stats.store.schema import sqlite_path

ADVISORY_LOCK = 7461001


class Lock(Protocol):
    """What only one holder has."""

    async def acquire(self) -> bool:
        """Try to get it, without waiting; True if it is held now, or was already."""
        ...

    async def held(self) -> bool:
        """Whether it is still ours."""
        ...

    async def release(self) -> None:
        """Give it back; nothing happens if it is not held."""
        ...


def lock_for(engine: AsyncEngine) -> Lock:
    """The lock that fits the database."""
    if engine.dialect.name == "postgresql":
        return AdvisoryLock(engine)
    path = sqlite_path(engine.url)
    return FileLock(path.with_name(path.name + ".lock")) if path else NoLock()


class FileLock:
    """A lock on a file, which stays there, empty."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    async def acquire(self) -> bool:
        if self._file is not None:
            return True
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    async def held(self) -> bool:
        return self._file is not None

    async def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class AdvisoryLock:
    """PostgreSQL's; it goes with its connection, so ask ``held`` before each write."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._connection: AsyncConnection | None = None

    async def acquire(self) -> bool:
        if await self.held():
            return True
        connection = await self.engine.connect()
        try:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            got = await connection.scalar(
                text("SELECT pg_try_advisory_lock(:number)"), {"number": ADVISORY_LOCK}
            )
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        if not got:
            await connection.close()
            return False
        self._connection = connection
        return True

    async def held(self) -> bool:
        if self._connection is None:
            return False
        try:
            await self._connection.execute(text("SELECT 1"))
        except (DBAPIError, OSError):
            await self._drop()
            return False
        return True

    async def release(self) -> None:
        if self._connection is not None:
            # Not back to the pool, where the lock would live on: the connection ends.
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()


class NoLock:
    """For a database in memory, which nobody else can see."""

    async def acquire(self) -> bool:
        return True

    async def held(self) -> bool:
        return True

    async def release(self) -> None:
        return
