"""Leadership: only one recorder at a time, and what frees the lock."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from services.stats.store import tables as t
from services.stats.store.leader_lock import FileLock, NoLock, lock_for
from services.stats.store.store import Store
from tests.stats.record.scenarios.recorders import Scenario


async def test_second_recorder_waits_and_takes_over(scenario: Scenario) -> None:
    """Only one of two recorders on a database records; the other takes over when it stops."""
    first, second = await scenario.leading(), await scenario.recorder()
    assert not await second.acquire_leadership()
    await first.poll()
    await first.close()
    assert await second.acquire_leadership()
    scenario.pass_minutes(5)
    await second.poll()
    assert len(await scenario.rows(t.polls)) == 2


async def test_a_recorder_that_lost_the_lock_writes_nothing(
    make_scenario: Callable[[str], Scenario], postgres_url: str
) -> None:
    """If another recorder took over, a write is rejected and the old leader waits."""
    scenario = make_scenario(postgres_url)
    first, second = await scenario.leading(), await scenario.recorder()
    await first.poll()
    await first.lock.release()
    assert await second.acquire_leadership()
    scenario.pass_minutes(5)
    result = await first.poll()
    assert "another recorder has taken over" in result.error
    assert not first.is_leader
    assert not await first.acquire_leadership()
    assert len(await scenario.rows(t.polls)) == 1


async def test_advisory_lock_is_released_with_its_connection(postgres_url: str) -> None:
    """PostgreSQL releases the lock of a broken connection, and the holder notices."""
    one, two = [await Store.open(postgres_url, ZoneInfo("UTC")) for _ in range(2)]
    lock, other = lock_for(one.database), lock_for(two.database)
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


async def test_file_lock_has_one_holder(tmp_path: Path) -> None:
    """A second lock on the same file fails until the first is released, and can then be taken."""
    first, second = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")
    assert await first.acquire()
    assert await first.acquire()  # acquiring it again changes nothing
    assert not await second.acquire()
    assert (await first.held(), await second.held()) == (True, False)
    await first.release()
    await first.release()
    assert await second.acquire()
    await second.release()


async def test_the_lock_lies_beside_the_database(tmp_path: Path, db_url: str) -> None:
    """On SQLite the lock is a file next to the database, readable by its owner only."""
    store = await Store.open(db_url, ZoneInfo("UTC"))
    lock = lock_for(store.database)
    assert await lock.acquire()
    assert (tmp_path / "stats.sqlite.lock").stat().st_mode & 0o777 == 0o600
    await lock.release()
    await store.close()


async def test_a_database_in_memory_needs_no_lock() -> None:
    """No other process can open a database in memory, so its lock is always free."""
    store = await Store.open("sqlite://", ZoneInfo("UTC"))
    lock = lock_for(store.database)
    assert isinstance(lock, NoLock)
    assert await lock.acquire()
    assert await lock.held()
    await lock.release()
    await store.close()
