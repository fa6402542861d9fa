"""Transactions and their errors, on SQLite and on a real PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from common.db import engine as engines
from common.db.address import parse_address
from common.db.transactions import Database
from common.errors import (
    StoreConflict,
    StoreError,
    StoreRejected,
    StoreUnavailable,
)
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.fakes.postgres import Postgres

__all__ = ["db_url", "postgres", "postgres_url"]

COUNT = sa.text("SELECT count(*) FROM t")


async def make_table(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(sa.text("CREATE TABLE t (a INTEGER PRIMARY KEY, b SMALLINT)"))


async def insert(database: Database, number: int) -> None:
    async with database.writing() as connection:
        await connection.execute(sa.text("INSERT INTO t (a) VALUES (:a)"), {"a": number})


async def count(database: Database) -> int:
    async with database.reading() as connection:
        return int(await connection.scalar(COUNT) or 0)


@pytest.fixture
async def database(db_url: str) -> AsyncIterator[Database]:
    """A database with an empty table ``t``."""
    database = Database(parse_address(db_url))
    await make_table(database)
    yield database
    await database.close()


@pytest.fixture
async def other(db_url: str) -> AsyncIterator[Database]:
    """The same database, as another process has it."""
    other = Database(parse_address(db_url))
    yield other
    await other.close()


async def test_a_transaction_is_committed(database: Database, other: Database) -> None:
    """What was written is there for others once the transaction has ended."""
    await insert(database, 1)
    assert await count(other) == 1


async def test_an_error_rolls_back(database: Database) -> None:
    """After any error in a transaction nothing of it is in the database."""

    async def fail() -> None:
        async with database.writing() as connection:
            await connection.execute(sa.text("INSERT INTO t (a) VALUES (1)"))
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert await count(database) == 0


async def test_a_cancelled_transaction_rolls_back(database: Database) -> None:
    """A task that is cancelled in a transaction leaves nothing, and others can write."""
    written = asyncio.Event()

    async def write() -> None:
        async with database.writing() as connection:
            await connection.execute(sa.text("INSERT INTO t (a) VALUES (1)"))
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await insert(database, 2)
    assert await count(database) == 1


async def test_reading_sees_one_moment(database: Database, other: Database) -> None:
    """What others commit during a reading transaction is not in it."""
    async with database.reading() as connection:
        assert await connection.scalar(COUNT) == 0
        await insert(other, 1)
        assert await connection.scalar(COUNT) == 0
    assert await count(database) == 1


async def test_reading_takes_no_write_lock(database: Database, other: Database) -> None:
    """While one process reads, another writes at once; while it writes, the first reads."""
    async with database.reading() as reader:
        await reader.scalar(COUNT)
        async with asyncio.timeout(5), other.writing() as writer:
            await writer.execute(sa.text("INSERT INTO t (a) VALUES (1)"))
            assert await count(database) == 0


async def test_many_writers_wait_for_each_other(database: Database, other: Database) -> None:
    """Writers that read first, in two processes, lose no update."""
    await insert(database, 0)

    async def increment(one: Database) -> None:
        async with one.writing() as connection:
            query = (
                sa.select(sa.column("b", sa.Integer)).select_from(sa.table("t")).with_for_update()
            )
            value = await connection.scalar(query) or 0
            await connection.execute(sa.text("UPDATE t SET b = :b"), {"b": value + 1})

    await asyncio.gather(*(increment(one) for one in (database, other) * 10))
    async with database.reading() as connection:
        assert await connection.scalar(sa.text("SELECT b FROM t")) == 20


async def test_a_broken_constraint_is_a_conflict(database: Database) -> None:
    """A key that exists raises StoreConflict, in words and without the statement."""
    await insert(database, 1)
    with pytest.raises(StoreConflict, match=r"(?i)unique") as conflict:
        await insert(database, 1)
    assert database.address.shown in str(conflict.value)
    assert "INSERT" not in str(conflict.value)
    assert "\n" not in str(conflict.value)


async def test_a_value_that_cannot_be_stored_is_rejected(database: Database) -> None:
    """Half a surrogate pair is no outage: the same text would fail again."""
    with pytest.raises(StoreRejected):
        async with database.writing() as connection:
            await connection.execute(sa.select(sa.literal("\ud800", sa.Text())))


async def test_a_missing_table_names_the_database(database: Database) -> None:
    """A failing statement says which database it was, without the statement."""
    with pytest.raises(StoreUnavailable, match="absent") as failed:
        async with database.reading() as connection:
            await connection.execute(sa.text("SELECT 'secret' FROM absent"))
    assert str(failed.value).startswith(f"database {database.address.shown}: ")
    assert "secret" not in str(failed.value)


async def test_a_file_locked_for_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer waits for another process, then gives up; a reader does not wait."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.05)
    database = Database(parse_address(f"sqlite:///{tmp_path}/x.sqlite"))
    await make_table(database)
    with closing(sqlite3.connect(tmp_path / "x.sqlite", isolation_level=None)) as process:
        process.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await insert(database, 1)
        assert await count(database) == 0
    await insert(database, 1)
    await database.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("@/test", "@/absent"), "does not exist"),
        (("//", "//nobody:s3cret"), "nobody"),
        (("?host=", "?host=/absent"), "No such file"),
    ],
    ids=["database", "user", "socket"],
)
async def test_postgresql_that_refuses(
    postgres_url: str, change: tuple[str, str], words: str
) -> None:
    """An unknown database or user, and a server that is not there, raise StoreUnavailable."""
    name = postgres_url.partition("//")[2].partition("@")[0]
    url = postgres_url.replace(*change)
    if change[0] == "//":
        url = url.replace(f"s3cret{name}@", "s3cret@")
    database = Database(parse_address(url))
    with pytest.raises(StoreUnavailable, match=words) as refused:
        await count(database)
    assert "s3cret" not in str(refused.value)
    await database.close()


async def test_postgresql_that_comes_back(postgres: Postgres) -> None:
    """While the server is down every transaction fails; afterwards the next one works."""
    database = Database(parse_address(postgres.database()))
    await make_table(database)
    postgres.stop()
    try:
        with pytest.raises(StoreUnavailable):
            await count(database)
        with pytest.raises(StoreUnavailable):
            await insert(database, 1)
    finally:
        postgres.start()
    await insert(database, 1)
    assert await count(database) == 1
    await database.close()


async def test_reading_cannot_write_on_postgresql(postgres_url: str) -> None:
    """PostgreSQL refuses a statement that writes in a reading transaction."""
    database = Database(parse_address(postgres_url))
    with pytest.raises(StoreError, match="read-only"):
        async with database.reading() as connection:
            await connection.execute(sa.text("CREATE TABLE t (a INTEGER)"))
    await database.close()


async def test_deleted_rows_leave_the_write_ahead_log(tmp_path: Path) -> None:
    """After truncate_wal SQLite's log is empty."""
    database = Database(parse_address(f"sqlite:///{tmp_path}/x.sqlite"))
    await make_table(database)
    assert (tmp_path / "x.sqlite-wal").stat().st_size > 0
    await database.truncate_wal()
    assert (tmp_path / "x.sqlite-wal").stat().st_size == 0
    await database.close()
