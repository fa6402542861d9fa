"""The culler's schema: migrations, and databases that earlier releases created."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import ConfigError
from services.cull.policy.model import Protections
from services.cull.store.records import Event, Hold, HoldKind
from services.cull.store.store import SCHEMA, CullStore
from services.cull.store.tables import metadata
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

NOW = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
UNTIL = NOW + timedelta(hours=1)

# As release 0.1.0 created them before it used Alembic (commit 93c508e).
SQLITE = """\
CREATE TABLE cull_schema (
    version INTEGER NOT NULL,
    PRIMARY KEY (version)
);
CREATE TABLE cull_extensions (
    id INTEGER NOT NULL,
    user_name VARCHAR(255) NOT NULL,
    server_name VARCHAR(255) NOT NULL,
    number INTEGER NOT NULL,
    until DATETIME NOT NULL,
    made DATETIME NOT NULL,
    made_by VARCHAR(255) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (user_name, server_name, number)
);
CREATE INDEX cull_extensions_made ON cull_extensions (made);
CREATE TABLE cull_holds (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind VARCHAR(10) NOT NULL,
    name VARCHAR(255) NOT NULL,
    server_name VARCHAR(255) NOT NULL,
    until DATETIME NOT NULL,
    why TEXT NOT NULL,
    made DATETIME NOT NULL,
    made_by VARCHAR(255) NOT NULL,
    UNIQUE (kind, name, server_name)
);
CREATE TABLE cull_audit (
    id INTEGER NOT NULL,
    at DATETIME NOT NULL,
    who VARCHAR(255) NOT NULL,
    action VARCHAR(32) NOT NULL,
    target VARCHAR(10) NOT NULL,
    name VARCHAR(255) NOT NULL,
    server_name VARCHAR(255),
    reason TEXT NOT NULL,
    rule TEXT NOT NULL,
    outcome VARCHAR(32) NOT NULL,
    until DATETIME,
    PRIMARY KEY (id)
);
CREATE INDEX ix_cull_audit_at ON cull_audit (at);
"""
POSTGRESQL = """\
CREATE TABLE cull_schema (
    version INTEGER NOT NULL,
    PRIMARY KEY (version)
);
CREATE TABLE cull_extensions (
    id SERIAL NOT NULL,
    user_name VARCHAR(255) NOT NULL,
    server_name VARCHAR(255) NOT NULL,
    number INTEGER NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    made TIMESTAMP WITH TIME ZONE NOT NULL,
    made_by VARCHAR(255) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (user_name, server_name, number)
);
CREATE INDEX cull_extensions_made ON cull_extensions (made);
CREATE TABLE cull_holds (
    id SERIAL NOT NULL,
    kind VARCHAR(10) NOT NULL,
    name VARCHAR(255) NOT NULL,
    server_name VARCHAR(255) NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    why TEXT NOT NULL,
    made TIMESTAMP WITH TIME ZONE NOT NULL,
    made_by VARCHAR(255) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (kind, name, server_name)
);
CREATE TABLE cull_audit (
    id SERIAL NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    who VARCHAR(255) NOT NULL,
    action VARCHAR(32) NOT NULL,
    target VARCHAR(10) NOT NULL,
    name VARCHAR(255) NOT NULL,
    server_name VARCHAR(255),
    reason TEXT NOT NULL,
    rule TEXT NOT NULL,
    outcome VARCHAR(32) NOT NULL,
    until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id)
);
CREATE INDEX ix_cull_audit_at ON cull_audit (at);
"""
ROWS = """\
INSERT INTO cull_schema VALUES (1);
INSERT INTO cull_extensions (user_name, server_name, number, until, made, made_by)
VALUES ('名前', 'lab', 3, '2026-03-02 13:00:00.123456', '2026-03-02 12:00:00.123456', 'ada');
INSERT INTO cull_holds (kind, name, server_name, until, why, made, made_by)
VALUES ('group', 'exam', '', '2026-03-02 13:00:00.123456', 'exam', '2026-03-02 12:00:00.123456',
    'root');
INSERT INTO cull_audit (at, who, action, target, name, server_name, reason, rule, outcome, until)
VALUES ('2026-03-02 12:00:00.123456', 'culler', 'stop', 'server', 'ada', '', 'idle', 'rule 1',
    'done', NULL)
"""
TABLES = {
    "cull_alembic_version",
    "cull_audit",
    "cull_extensions",
    "cull_holds",
    "cull_kept_policy",
    "cull_schema",
}


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
    async with CullStore(db_url):
        pass
    assert await differences(db_url, SCHEMA, metadata) == []
    assert revisions(SCHEMA) == SCHEMA.revisions
    assert await table_names(db_url) == TABLES


async def test_an_old_database_is_taken_over(old_url: str) -> None:
    """Every extension, hold and audit line is still there; the tables are those of the code."""
    async with CullStore(old_url) as store:
        assert await store.protections(NOW) == Protections(
            extensions={("名前", "lab"): UNTIL},
            server_holds={},
            user_holds={},
            group_holds={"exam": UNTIL},
        )
        hold = Hold(
            id=1,
            kind=HoldKind.GROUP,
            name="exam",
            server="",
            until=UNTIL,
            by="root",
            why="exam",
            made=NOW,
        )
        assert await store.list_holds(NOW) == [hold]
        event = Event(
            at=NOW,
            who="culler",
            action="stop",
            target="server",
            name="ada",
            server="",
            reason="idle",
            rule="rule 1",
        )
        assert await store.audit_log() == [(1, event)]
    assert await differences(old_url, SCHEMA, metadata) == []
    assert await table_names(old_url) == TABLES


async def test_an_old_database_that_was_taken_over_can_be_written(old_url: str) -> None:
    """Numbers and ids go on where the earlier release ended."""
    async with CullStore(old_url) as store:
        later = UNTIL + timedelta(hours=1)
        made = await store.extend("名前", "lab", by="ada", until=later, limit_per_day=2, now=NOW)
        assert made.used == 2
        assert (await store.release(1, by="root", now=NOW)) is not None
        held = await store.hold("user", "ada", until=UNTIL, by="root", now=NOW)
        assert held.id == 2
    numbers = await execute(old_url, "SELECT number FROM cull_extensions ORDER BY number")
    assert numbers == [(3,), (4,)]


async def test_the_earlier_release_can_still_open_it(db_url: str) -> None:
    """It reads ``cull_schema``, where it must find its own version."""
    async with CullStore(db_url):
        pass
    assert await execute(db_url, "SELECT version FROM cull_schema") == [(1,)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE cull_alembic_version SET version_num = '99'",
        "DROP TABLE cull_alembic_version;\nUPDATE cull_schema SET version = 99",
    ],
    ids=["alembic", "earlier"],
)
async def test_a_newer_database_is_refused(db_url: str, change: str) -> None:
    """A database of a newer release gets one line that says what to do, and is left alone."""
    async with CullStore(db_url):
        pass
    await execute(db_url, change)
    tables = await table_names(db_url)
    with pytest.raises(ConfigError, match=r"newer release \(schema 99.*Upgrade"):
        await CullStore(db_url).open()
    assert await table_names(db_url) == tables


@pytest.mark.parametrize("before", ["empty", "old"])
async def test_concurrent_openings_create_one_schema(
    request: pytest.FixtureRequest, db_url: str, before: str
) -> None:
    """Stores opened at the same moment leave one set of tables, noted once, and all work."""
    if before == "old":
        await execute(db_url, (SQLITE if "sqlite" in db_url else POSTGRESQL) + ROWS)
    stores = [CullStore(db_url) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    try:
        await asyncio.gather(*(store.ping() for store in stores))
        events = [
            Event(at=NOW, who=str(n), action="stop", target="user", name="x") for n in range(5)
        ]
        await asyncio.gather(
            *(store.audit(event) for store, event in zip(stores, events, strict=True))
        )
        lines = [line.who for _, line in await stores[0].audit_log(5)]
        assert sorted(lines) == ["0", "1", "2", "3", "4"]
    finally:
        await asyncio.gather(*(store.close() for store in stores))
    assert await table_names(db_url) == TABLES
    assert await execute(db_url, "SELECT version FROM cull_schema") == [(1,)]
    version = await execute(db_url, "SELECT version_num FROM cull_alembic_version")
    assert version == [(SCHEMA.current,)]
    assert await differences(db_url, SCHEMA, metadata) == []
