"""An empty database of each kind, for tests that must pass on both; and its schema.

Take the fixtures into a test file with
``from tests.fakes.databases import db_url, postgres, postgres_url``.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from common.db.address import parse_address
from common.db.schema import Schema
from common.db.transactions import Database
from tests.fakes.postgres import postgres, postgres_url

__all__ = [
    "db_url",
    "differences",
    "execute",
    "postgres",
    "postgres_url",
    "revisions",
    "table_names",
]


@pytest.fixture(params=["sqlite", "postgresql"])
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, as an administrator would write it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'classroom.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


async def execute(db_url: str, statements: str) -> list[tuple[Any, ...]]:
    """Run statements as another program would, without SQLAlchemy; the rows of the last one."""
    *first, last = [one for one in statements.split(";\n") if one.strip()]
    if file := parse_address(db_url).file:
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(";\n".join(first))
            rows = connection.execute(last).fetchall()
            connection.commit()
        return rows
    connection = await asyncpg.connect(db_url)
    try:
        for statement in first:
            await connection.execute(statement)
        return [tuple(row) for row in await connection.fetch(last)]
    finally:
        await connection.close()


async def table_names(db_url: str) -> set[str]:
    """The tables in a database."""
    if parse_address(db_url).is_sqlite:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    else:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return {name for (name,) in await execute(db_url, query)}


async def differences(db_url: str, schema: Schema, metadata: sa.MetaData) -> list[Any]:
    """What Alembic would change to make the database's tables those of the code."""

    def compare(connection: sa.Connection) -> list[Any]:
        options = {"version_table": schema.version_table, "compare_type": True}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        )

    database = Database(parse_address(db_url))
    try:
        async with database.reading() as connection:
            return await connection.run_sync(compare)
    finally:
        await database.close()


def revisions(schema: Schema) -> tuple[str, ...]:
    """The revisions in a schema's migrations folder, the first first."""
    scripts = ScriptDirectory(str(schema.migrations))
    return tuple(reversed([script.revision for script in scripts.walk_revisions()]))
