"""SQLite files that several processes open."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from common.db import engine as engines
from common.db.address import parse_address
from common.db.engine import create_engine, prepare_file, use_wal


def mode(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        found: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return found


async def test_a_file_that_another_process_has_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its journal mode cannot be changed now; it is used as it is, and changed next time."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.01)
    path = tmp_path / "new.sqlite"
    address = parse_address(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (a)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM t").fetchall()
        engine = create_engine(address)
        async with engine.connect() as connection:
            assert (await connection.execute(sa.text("SELECT count(*) FROM t"))).scalar() == 0
        await engine.dispose()
    assert mode(path) == "delete"
    engine = create_engine(address)
    async with engine.connect():
        pass
    await engine.dispose()
    assert mode(path) == "wal"


def test_only_a_locked_file_is_used_as_it_is(tmp_path: Path) -> None:
    """A read-only or damaged file raises an error."""
    path = tmp_path / "full.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        use_wal(connection.cursor())
    path.write_bytes(b"no database" * 1000)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.DatabaseError):
        use_wal(connection.cursor())


def test_a_new_file_is_private(tmp_path: Path) -> None:
    """A new file is readable by its owner only; the mode of an existing file is not changed."""
    path = tmp_path / "new.sqlite"
    prepare_file(parse_address(f"sqlite:///{path}"))
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    prepare_file(parse_address(f"sqlite:///{path}"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_only_sqlite_files_are_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in memory, and PostgreSQL, leave no file behind."""
    monkeypatch.chdir(tmp_path)
    prepare_file(parse_address("sqlite://"))
    prepare_file(parse_address("postgresql://h/d"))
    assert list(tmp_path.iterdir()) == []


async def test_a_database_in_memory_is_one_database() -> None:
    """All connections see the same tables."""
    engine = create_engine(parse_address("sqlite://"))
    async with engine.connect() as connection:
        await connection.execute(sa.text("CREATE TABLE t (a)"))
        await connection.commit()
    async with engine.connect() as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM t"))).scalar() == 0
    await engine.dispose()
