"""SQLite's files, opened by several at once."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from common.db import engine as database
from common.db.engine import make_engine, parse_url, use_wal


def mode(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        found: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    return found


async def test_a_file_that_another_has_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mode cannot be changed now; it is used as it is, and changed by the next."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    path = tmp_path / "new.sqlite"
    url = parse_url(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (a)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM t").fetchall()
        engine = make_engine(url)
        async with engine.connect() as connection:
            assert (await connection.execute(sa.text("SELECT count(*) FROM t"))).scalar() == 0
        await engine.dispose()
    assert mode(path) == "delete"
    engine = make_engine(url)
    async with engine.connect():
        pass
    await engine.dispose()
    assert mode(path) == "wal"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Only that it is locked is no fault."""
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
