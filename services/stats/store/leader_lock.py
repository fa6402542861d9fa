"""The lock of the recorder that leads: one records, the others wait and take over from it.

On SQLite it is a lock on a file next to the database; on PostgreSQL an advisory lock that
lives as long as its connection. The operating system or the server frees it when the process
dies. (On a network file system, a file lock is as good as that file system's locking.)
"""

import fcntl
import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.db.transactions import Database, store_errors
from common.errors import StoreError

ADVISORY_LOCK = 7461001


class Lock(Protocol):
    """A lock that only one process holds."""

    async def acquire(self) -> bool:
        """Try to get the lock, without waiting; whether this process holds it now.

        :raises StoreError: the database is out of reach, or the lock file cannot be opened
        """
        ...

    async def held(self) -> bool:
        """Whether this process still holds the lock."""
        ...

    async def release(self) -> None:
        """Release the lock if it is held."""
        ...


def lock_for(database: Database) -> Lock:
    """The lock that suits the database."""
    if not database.address.is_sqlite:
        return AdvisoryLock(database)
    path = database.address.file
    return FileLock(path.with_name(path.name + ".lock")) if path else NoLock()


class FileLock:
    """A lock on a file. The file is empty and is never deleted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    async def acquire(self) -> bool:
        if self._file is not None:
            return True
        with store_errors(str(self.path)):
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
    """PostgreSQL's lock. It is lost with its connection: check ``held`` before each write."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: AsyncConnection | None = None

    async def acquire(self) -> bool:
        if await self.held():
            return True
        with store_errors(self._database.address.shown):
            connection = await self._database.engine.connect()
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
            with store_errors(self._database.address.shown):
                await self._connection.execute(text("SELECT 1"))
        except StoreError:
            await self._drop()
            return False
        return True

    async def release(self) -> None:
        if self._connection is not None:
            # The connection must end: back in the pool it would keep the lock.
            await self._drop()

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.invalidate()
            await connection.close()


class NoLock:
    """For a database in memory, which no other process can see."""

    async def acquire(self) -> bool:
        return True

    async def held(self) -> bool:
        return True

    async def release(self) -> None:
        return
