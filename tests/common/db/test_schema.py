"""Opening a database: its schema is created, migrated, accepted or refused."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from common.db.address import parse_address
from common.db.schema import Schema, open_database
from common.errors import ConfigError, StoreUnavailable
from tests.fakes.databases import db_url, execute, postgres, postgres_url, table_names
from tests.paths import ROOT

__all__ = ["db_url", "postgres", "postgres_url"]

ENV = "from common.db.migrate import run_migrations\nrun_migrations()\n"
STEP = """
from alembic import op
import sqlalchemy as sa
revision, down_revision, branch_labels, depends_on = {revision!r}, {before!r}, None, None
def upgrade():
    {body}
"""


@pytest.fixture
def second(tmp_path: Path) -> Schema:
    """The schema of a release with two migrations; the folder's name is an awkward one."""
    migrations = tmp_path / "100 %(x)s"
    (migrations / "versions").mkdir(parents=True)
    (migrations / "env.py").write_text(ENV)
    for revision, before, body in (
        ("0001", None, 'op.create_table("t", sa.Column("a", sa.Integer))'),
        ("0002", "0001", 'op.add_column("t", sa.Column("b", sa.Integer))'),
    ):
        step = STEP.format(revision=revision, before=before, body=body)
        (migrations / "versions" / f"v{revision}.py").write_text(step)
    return Schema(
        migrations=migrations,
        revisions=("0001", "0002"),
        version_table="t_version",
        earlier_table="t_schema",
    )


async def migrate_to_first(db_url: str) -> None:
    """Make the database that the release before left, with a row."""
    await execute(
        db_url,
        "CREATE TABLE t_version (version_num VARCHAR(32) PRIMARY KEY);\n"
        "INSERT INTO t_version VALUES ('0001');\n"
        "CREATE TABLE t (a INTEGER);\n"
        "INSERT INTO t VALUES (7)",
    )


async def reopen(db_url: str, schema: Schema, *, migrate: bool = True) -> None:
    database = await open_database(parse_address(db_url), schema, migrate=migrate)
    await database.close()


async def test_an_empty_database_gets_all_tables(db_url: str, second: Schema) -> None:
    """All migrations run, and the database notes the last one."""
    await reopen(db_url, second)
    assert await execute(db_url, "SELECT a, b FROM t") == []
    assert await execute(db_url, "SELECT version_num FROM t_version") == [("0002",)]


async def test_an_older_database_is_migrated(db_url: str, second: Schema) -> None:
    """Only the missing migrations run; the rows stay."""
    await migrate_to_first(db_url)
    await reopen(db_url, second)
    assert await execute(db_url, "SELECT a, b FROM t") == [(7, None)]
    assert await execute(db_url, "SELECT version_num FROM t_version") == [("0002",)]


async def test_a_failing_migration_changes_nothing(db_url: str, second: Schema) -> None:
    """All migrations are one transaction."""
    await migrate_to_first(db_url)
    step = second.migrations / "versions" / "v0002.py"
    step.write_text(step.read_text() + "    op.drop_table('absent')\n")
    with pytest.raises(StoreUnavailable, match="absent"):
        await reopen(db_url, second)
    assert await execute(db_url, "SELECT * FROM t") == [(7,)]
    assert await execute(db_url, "SELECT version_num FROM t_version") == [("0001",)]


async def test_a_newer_database_is_refused(db_url: str, second: Schema) -> None:
    """A revision that this release does not know is left alone; the message says what to do."""
    await reopen(db_url, second)
    first = replace(second, revisions=("0001",))
    with pytest.raises(ConfigError, match="newer release") as refused:
        await reopen(db_url, first)
    (problem,) = refused.value.problems
    assert "schema 0002, this release knows 0001" in problem
    assert "Upgrade jupyterhub-classroom, or use another database" in problem
    assert await execute(db_url, "SELECT version_num FROM t_version") == [("0002",)]


@pytest.mark.parametrize("version", [1, 2])
async def test_releases_before_alembic(db_url: str, second: Schema, version: int) -> None:
    """Version 1 of their schema is taken over; a newer one is refused and left alone."""
    await execute(
        db_url,
        f"CREATE TABLE t_schema (version INTEGER);\nINSERT INTO t_schema VALUES ({version})",
    )
    if version == 1:
        await reopen(db_url, second)
        assert "t" in await table_names(db_url)
    else:
        with pytest.raises(ConfigError, match="newer release"):
            await reopen(db_url, second)
        assert await table_names(db_url) == {"t_schema"}


async def test_without_migrating_an_old_schema_is_refused(db_url: str, second: Schema) -> None:
    """With ``migrate`` off nothing is created or changed; the message names the flag."""
    with pytest.raises(ConfigError, match="has no tables yet and --no-migrate is set"):
        await reopen(db_url, second, migrate=False)
    assert await table_names(db_url) == set()
    await migrate_to_first(db_url)
    with pytest.raises(ConfigError, match="has the older schema '0001' and --no-migrate is set"):
        await reopen(db_url, second, migrate=False)
    assert await execute(db_url, "SELECT * FROM t") == [(7,)]
    await reopen(db_url, second)
    await reopen(db_url, second, migrate=False)


@pytest.mark.parametrize("before", ["empty", "older"])
async def test_openings_at_the_same_moment(db_url: str, second: Schema, before: str) -> None:
    """Of many that open one database, one migrates it; the others wait and find it ready."""
    if before == "older":
        await migrate_to_first(db_url)
    await asyncio.gather(*(reopen(db_url, second) for _ in range(8)))
    assert await execute(db_url, "SELECT version_num FROM t_version") == [("0002",)]
    assert await table_names(db_url) == {"t", "t_version"}


OPEN = """
import asyncio, json, logging, sys
from pathlib import Path
from common.db.address import parse_address
from common.db.schema import Schema, open_database
logging.basicConfig(level=logging.INFO)
url, migrations = sys.argv[1:]
schema = Schema(
    migrations=Path(migrations), revisions=("0001", "0002"), version_table="t_version"
)
async def main():
    await (await open_database(parse_address(url), schema)).close()
sys.stdin.readline()
asyncio.run(main())
print(json.dumps([name for name in sys.modules if name.partition(".")[0] == "alembic"]))
"""


def start(db_url: str, schema: Schema) -> "subprocess.Popen[str]":
    """A process that opens the database after a line on standard input."""
    return subprocess.Popen(
        [sys.executable, "-c", OPEN, db_url, str(schema.migrations)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture
def processes(db_url: str, second: Schema) -> "Iterator[list[subprocess.Popen[str]]]":
    """Three processes that are ready to open one empty database."""
    started = [start(db_url, second) for _ in range(3)]
    yield started
    for process in started:
        process.kill()
        process.communicate()


async def test_processes_that_start_at_the_same_moment(
    db_url: str, processes: "list[subprocess.Popen[str]]"
) -> None:
    """Several processes on a new database all succeed, and one of them migrates."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [await asyncio.to_thread(process.communicate, timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    assert sum("Created the tables" in err for _, err in ends) == 1, ends
    assert await table_names(db_url) == {"t", "t_version"}


async def test_an_up_to_date_database_costs_no_alembic(db_url: str, second: Schema) -> None:
    """Opening it neither imports Alembic nor logs anything."""
    await reopen(db_url, second)
    process = start(db_url, second)
    out, err = await asyncio.to_thread(process.communicate, "\n", timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out) == []
    assert err == ""


async def test_a_new_database_logs_one_line(
    db_url: str, second: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the schema."""
    caplog.set_level(logging.INFO)
    await reopen(db_url, second)
    assert [record.getMessage() for record in caplog.records] == [
        "Created the tables of the database (schema 0002)"
    ]


async def test_a_file_that_cannot_be_opened(tmp_path: Path, second: Schema) -> None:
    """The error names the file, and opening leaves no thread behind that prints a traceback."""
    with pytest.raises(StoreUnavailable, match=r"absent/x\.sqlite: the directory"):
        await reopen(f"sqlite:///{tmp_path}/absent/x.sqlite", second)


async def test_a_file_that_is_no_database(tmp_path: Path, second: Schema) -> None:
    """It is reported in words and left as it is."""
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await reopen(f"sqlite:///{path}", second)
    assert path.read_bytes() == b"no database" * 1000
