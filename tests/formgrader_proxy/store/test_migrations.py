"""The audit's schema: migrations, and databases that earlier releases created."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from common.errors import ConfigError
from services.formgrader_proxy.store.audit import SCHEMA, Audit, Change
from services.formgrader_proxy.store.job_tables import jobs
from tests.fakes.databases import (
    db_url,
    differences,
    execute,
    postgres,
    postgres_url,
    revisions,
    table_names,
)

__all__ = ["db_url", "postgres", "postgres_url"]

# As release 0.1.0 created them before it used Alembic (commit 93c508e).
SQLITE = """\
CREATE TABLE formgrader_schema (
    version INTEGER NOT NULL,
    PRIMARY KEY (version)
);
CREATE TABLE formgrader_audit (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at DATETIME NOT NULL,
    course VARCHAR(100) NOT NULL,
    user_name VARCHAR(255) NOT NULL,
    role VARCHAR(20) NOT NULL,
    action VARCHAR(40) NOT NULL,
    path TEXT NOT NULL,
    fields TEXT NOT NULL,
    status INTEGER
);
CREATE INDEX formgrader_audit_course ON formgrader_audit (course, id);
"""
POSTGRESQL = """\
CREATE TABLE formgrader_schema (
    version INTEGER NOT NULL,
    PRIMARY KEY (version)
);
CREATE TABLE formgrader_audit (
    id SERIAL NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    course VARCHAR(100) NOT NULL,
    user_name VARCHAR(255) NOT NULL,
    role VARCHAR(20) NOT NULL,
    action VARCHAR(40) NOT NULL,
    path TEXT NOT NULL,
    fields TEXT NOT NULL,
    status INTEGER,
    PRIMARY KEY (id)
);
CREATE INDEX formgrader_audit_course ON formgrader_audit (course, id);
"""
ROWS = """\
INSERT INTO formgrader_schema VALUES (1);
INSERT INTO formgrader_audit (at, course, user_name, role, action, path, fields, status)
VALUES ('2026-03-02 12:00:00.123456', 'sums', '名前', 'grader', 'grade', 'api/grade/1', 'a b', 200)
"""
CHANGE = Change(
    at=datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC),
    course="sums",
    user="名前",
    role="grader",
    action="grade",
    path="api/grade/1",
    fields=("a", "b"),
    status=200,
)
TABLES = {
    "formgrader_alembic_version",
    "formgrader_audit",
    "formgrader_job",
    "formgrader_job_item",
    "formgrader_kept_courses",
    "formgrader_schema",
    "formgrader_secret",
}


async def reopen(db_url: str) -> None:
    audit = Audit(db_url)
    await audit.open()
    await audit.close()


@pytest.fixture
async def old_url(db_url: str) -> str:
    """A database that release 0.1.0 has used."""
    if db_url.startswith("sqlite"):
        await execute(db_url, SQLITE + ROWS)
    else:
        await execute(db_url, POSTGRESQL + "SET TIME ZONE 'UTC';\n" + ROWS)
    return db_url


async def test_migrations_create_the_tables_of_the_code(db_url: str) -> None:
    """After all migrations Alembic finds nothing to change, and SCHEMA lists them all."""
    await reopen(db_url)
    assert await differences(db_url, SCHEMA, jobs.metadata) == []
    assert revisions(SCHEMA) == SCHEMA.revisions
    assert await table_names(db_url) == TABLES
    # The earlier release reads its own version here.
    assert await execute(db_url, "SELECT version FROM formgrader_schema") == [(1,)]


async def test_an_old_database_is_taken_over(old_url: str) -> None:
    """Every change is still there, new ones follow, and the tables are those of the code."""
    audit = Audit(old_url)
    await audit.open()
    assert list(await audit.newest("sums")) == [CHANGE]
    assert await audit.begin(CHANGE) == 2
    assert list(await audit.newest("sums")) == [replace(CHANGE, status=None), CHANGE]
    await audit.close()
    assert await differences(old_url, SCHEMA, jobs.metadata) == []
    assert await table_names(old_url) == TABLES


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE formgrader_alembic_version SET version_num = '99'",
        "DROP TABLE formgrader_alembic_version;\nUPDATE formgrader_schema SET version = 99",
    ],
    ids=["alembic", "earlier"],
)
async def test_a_newer_database_is_refused(db_url: str, change: str) -> None:
    """A database of a newer release gets one line that says what to do, and is left alone."""
    await reopen(db_url)
    await execute(db_url, change)
    tables = await table_names(db_url)
    with pytest.raises(ConfigError, match=r"newer release \(schema 99.*Upgrade"):
        await reopen(db_url)
    assert await table_names(db_url) == tables


async def test_concurrent_openings_create_one_schema(db_url: str) -> None:
    """Instances that start at the same moment leave one set of tables, noted once."""
    await asyncio.gather(*(reopen(db_url) for _ in range(5)))
    assert await table_names(db_url) == TABLES
    assert await execute(db_url, "SELECT version FROM formgrader_schema") == [(1,)]
    version = await execute(db_url, "SELECT version_num FROM formgrader_alembic_version")
    assert version == [(SCHEMA.current,)]
