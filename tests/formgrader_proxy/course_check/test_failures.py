"""Why a gradebook cannot be used, from SQLite's own errors."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from services.formgrader_proxy.course_check.gradebook.failures import describe_failure


def execute(engine: Engine, statements: str) -> None:
    with engine.connect() as connection:
        for one in statements.split("; "):
            connection.execute(text(one))


def usable(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table grade (id text)")
        database.commit()
    return f"sqlite:///{path}"


def read_only(path: Path) -> str:
    usable(path)
    return f"sqlite:///file:{path}?mode=ro&uri=true"


def away(path: Path) -> str:
    """As on a full or read-only disk, where the write-ahead log cannot be created."""
    return f"sqlite:///{path.parent}/missing/gradebook.db"


def damaged(path: Path) -> str:
    path.write_text("no database" * 100)
    return f"sqlite:///{path}"


def empty(path: Path) -> str:
    path.touch()
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("gradebook", "statement", "said"),
    [
        (usable, "pragma max_page_count = 1; create table more (id text)", "disk of the gradebook"),
        (read_only, "insert into grade values ('g')", "is read-only"),
        (away, "select 1 from grade", "its disk is full, read-only or damaged"),
        (damaged, "select 1 from grade", "is damaged or empty"),
        (empty, "select 1 from grade", "is damaged or empty"),
        (usable, "select score from grade", "another version of nbgrader"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_failure_of_the_gradebook(
    tmp_path: Path, gradebook: Callable[[Path], str], statement: str, said: str
) -> None:
    """The sentence names what an administrator has to look at."""
    with pytest.raises(DBAPIError) as raised:
        execute(create_engine(gradebook(tmp_path / "gradebook.db"), poolclass=NullPool), statement)
    assert said in str(describe_failure(raised.value))


def test_a_locked_gradebook(tmp_path: Path) -> None:
    """Another program writes to it."""
    path = tmp_path / "gradebook.db"
    engine = create_engine(usable(path), poolclass=NullPool, connect_args={"timeout": 0})
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(DBAPIError) as raised:
            execute(engine, "begin immediate")
    assert "Another program" in str(describe_failure(raised.value))


def test_other_errors_are_not_explained() -> None:
    """They have nothing to do with the gradebook."""
    assert describe_failure(ValueError("is locked")) is None
