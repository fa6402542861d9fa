"""The lock of the recorder that leads, on SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.db.address import parse_address
from common.db.transactions import Database
from common.errors import StoreUnavailable
from services.stats.store.leader_lock import lock_for
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.fakes.postgres import Postgres

__all__ = ["db_url", "postgres", "postgres_url"]


@pytest.fixture
async def databases(db_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """One database, as two processes have it."""
    one, two = Database(parse_address(db_url)), Database(parse_address(db_url))
    yield one, two
    await one.close()
    await two.close()


async def test_only_one_holds_the_lock(databases: tuple[Database, Database]) -> None:
    """The second gets it once the first has released it; the first may ask for it twice."""
    lock, other = map(lock_for, databases)
    assert not await lock.held()
    assert await lock.acquire()
    assert await lock.acquire()
    assert await lock.held()
    assert not await other.acquire()
    assert not await other.held()
    await lock.release()
    await lock.release()
    assert await other.acquire()
    assert not await lock.acquire()
    await other.release()


async def test_closing_the_database_frees_the_lock(databases: tuple[Database, Database]) -> None:
    """The lock does not outlive its process: released locks leave no connection that has it."""
    lock, other = map(lock_for, databases)
    assert await lock.acquire()
    await lock.release()
    await databases[0].close()
    assert await other.acquire()
    await other.release()


async def test_the_lock_of_a_broken_connection_is_free(postgres_url: str) -> None:
    """PostgreSQL frees the lock with its connection, and its holder notices."""
    one, two = Database(parse_address(postgres_url)), Database(parse_address(postgres_url))
    lock, other = lock_for(one), lock_for(two)
    assert await lock.acquire()
    assert not await other.acquire()
    async with two.writing() as connection:
        await connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        )
    deadline = asyncio.get_running_loop().time() + 10
    while not await other.acquire():
        assert asyncio.get_running_loop().time() < deadline
    assert not await lock.held()
    await other.release()
    await one.close()
    await two.close()


async def test_a_server_that_is_down(postgres: Postgres) -> None:
    """The lock cannot be acquired, and one that was held is lost."""
    database = Database(parse_address(postgres.database()))
    lock = lock_for(database)
    assert await lock.acquire()
    postgres.stop()
    try:
        assert not await lock.held()
        with pytest.raises(StoreUnavailable):
            await lock.acquire()
    finally:
        postgres.start()
    assert await lock.acquire()
    await lock.release()
    await database.close()


async def test_a_lock_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """The error names the file."""
    lock = lock_for(Database(parse_address(f"sqlite:///{tmp_path}/absent/x.sqlite")))
    with pytest.raises(StoreUnavailable, match=r"absent/x\.sqlite\.lock"):
        await lock.acquire()


async def test_a_database_in_memory_needs_no_lock() -> None:
    """No other process can see it."""
    lock = lock_for(Database(parse_address("sqlite://")))
    assert await lock.acquire()
    assert await lock.held()
    await lock.release()


async def test_the_lock_file_is_next_to_the_database(tmp_path: Path) -> None:
    """On SQLite the lock is a file beside the database, readable by its owner only."""
    database = Database(parse_address(f"sqlite:///{tmp_path / 'stats.sqlite'}"))
    lock = lock_for(database)
    assert await lock.acquire()
    assert (tmp_path / "stats.sqlite.lock").stat().st_mode & 0o777 == 0o600
    await lock.release()
    await database.close()
