"""The statistics' schema: migrations, and databases that earlier releases created."""

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from common.errors import ConfigError
from services.stats.records import Person, Session
from services.stats.store import tables as t
from services.stats.store.store import SCHEMA, Store
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

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CREATED = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)

# As release 0.1.0 created them (commit 93c508e).
SQLITE = """\
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE meta (
    "key" VARCHAR(40) NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_meta PRIMARY KEY ("key")
);
CREATE TABLE users (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    created BIGINT,
    first_seen BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id)
);
CREATE INDEX ix_users_name ON users (name);
CREATE TABLE groups (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    CONSTRAINT pk_groups PRIMARY KEY (id),
    CONSTRAINT uq_groups_name UNIQUE (name)
);
CREATE TABLE profiles (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    CONSTRAINT pk_profiles PRIMARY KEY (id),
    CONSTRAINT uq_profiles_name UNIQUE (name)
);
CREATE TABLE memberships (
    group_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    CONSTRAINT pk_memberships PRIMARY KEY (group_id, user_id, since),
    CONSTRAINT fk_memberships_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id)
        ON DELETE CASCADE,
    CONSTRAINT fk_memberships_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
        ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE sessions (
    id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    server TEXT NOT NULL,
    profile_id INTEGER,
    started BIGINT NOT NULL,
    last_activity BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (id),
    CONSTRAINT fk_sessions_profile_id_profiles FOREIGN KEY(profile_id) REFERENCES profiles (id),
    CONSTRAINT fk_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
        ON DELETE CASCADE
);
CREATE TABLE activity (
    start BIGINT NOT NULL,
    user_id INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    CONSTRAINT pk_activity PRIMARY KEY (start, user_id),
    CONSTRAINT fk_activity_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
        ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE polls (
    time BIGINT NOT NULL,
    interval INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL,
    whole BOOLEAN NOT NULL,
    "full" BOOLEAN NOT NULL,
    users INTEGER,
    servers INTEGER,
    active INTEGER,
    CONSTRAINT pk_polls PRIMARY KEY (time)
) WITHOUT ROWID;
CREATE TABLE user_days (
    day INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    active_seconds INTEGER NOT NULL,
    idle_seconds INTEGER NOT NULL,
    sessions SMALLINT NOT NULL,
    was_active BOOLEAN NOT NULL,
    CONSTRAINT pk_user_days PRIMARY KEY (day, user_id),
    CONSTRAINT fk_user_days_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
        ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE group_days (
    day INTEGER NOT NULL,
    group_id INTEGER NOT NULL,
    members INTEGER NOT NULL,
    newcomers INTEGER NOT NULL,
    active INTEGER NOT NULL,
    active_7 INTEGER NOT NULL,
    active_30 INTEGER NOT NULL,
    active_seconds BIGINT NOT NULL,
    idle_seconds BIGINT NOT NULL,
    server_seconds BIGINT NOT NULL,
    after_seconds BIGINT NOT NULL,
    saved_seconds BIGINT NOT NULL,
    sessions INTEGER NOT NULL,
    observed_seconds INTEGER NOT NULL,
    mean_running FLOAT,
    peak INTEGER,
    peak_at BIGINT,
    lengths TEXT NOT NULL,
    hours TEXT NOT NULL,
    CONSTRAINT pk_group_days PRIMARY KEY (day, group_id)
) WITHOUT ROWID;
"""
POSTGRESQL = """\
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE meta (
    key VARCHAR(40) NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_meta PRIMARY KEY (key)
);
CREATE TABLE users (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    created TIMESTAMP WITH TIME ZONE,
    first_seen TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id)
);
CREATE INDEX ix_users_name ON users (name);
CREATE TABLE groups (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    CONSTRAINT pk_groups PRIMARY KEY (id),
    CONSTRAINT uq_groups_name UNIQUE (name)
);
CREATE TABLE profiles (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    CONSTRAINT pk_profiles PRIMARY KEY (id),
    CONSTRAINT uq_profiles_name UNIQUE (name)
);
CREATE TABLE memberships (
    group_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    until TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_memberships PRIMARY KEY (group_id, user_id, since),
    CONSTRAINT fk_memberships_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (id)
        ON DELETE CASCADE,
    CONSTRAINT fk_memberships_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
        ON DELETE CASCADE
);
CREATE TABLE sessions (
    id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    server TEXT NOT NULL,
    profile_id INTEGER,
    started TIMESTAMP WITH TIME ZONE NOT NULL,
    last_activity TIMESTAMP WITH TIME ZONE NOT NULL,
    ended TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (id),
    CONSTRAINT fk_sessions_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
        ON DELETE CASCADE,
    CONSTRAINT fk_sessions_profile_id_profiles FOREIGN KEY(profile_id) REFERENCES profiles (id)
);
CREATE TABLE activity (
    start TIMESTAMP WITH TIME ZONE NOT NULL,
    user_id INTEGER NOT NULL,
    seconds INTEGER NOT NULL,
    CONSTRAINT pk_activity PRIMARY KEY (start, user_id),
    CONSTRAINT fk_activity_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
        ON DELETE CASCADE
);
CREATE TABLE polls (
    time TIMESTAMP WITH TIME ZONE NOT NULL,
    interval INTEGER NOT NULL,
    milliseconds INTEGER NOT NULL,
    whole BOOLEAN NOT NULL,
    "full" BOOLEAN NOT NULL,
    users INTEGER,
    servers INTEGER,
    active INTEGER,
    CONSTRAINT pk_polls PRIMARY KEY (time)
);
CREATE TABLE user_days (
    day DATE NOT NULL,
    user_id INTEGER NOT NULL,
    active_seconds INTEGER NOT NULL,
    idle_seconds INTEGER NOT NULL,
    sessions SMALLINT NOT NULL,
    was_active BOOLEAN NOT NULL,
    CONSTRAINT pk_user_days PRIMARY KEY (day, user_id),
    CONSTRAINT fk_user_days_user_id_users FOREIGN KEY(user_id) REFERENCES users (id)
        ON DELETE CASCADE
);
CREATE TABLE group_days (
    day DATE NOT NULL,
    group_id INTEGER NOT NULL,
    members INTEGER NOT NULL,
    newcomers INTEGER NOT NULL,
    active INTEGER NOT NULL,
    active_7 INTEGER NOT NULL,
    active_30 INTEGER NOT NULL,
    active_seconds BIGINT NOT NULL,
    idle_seconds BIGINT NOT NULL,
    server_seconds BIGINT NOT NULL,
    after_seconds BIGINT NOT NULL,
    saved_seconds BIGINT NOT NULL,
    sessions INTEGER NOT NULL,
    observed_seconds INTEGER NOT NULL,
    mean_running FLOAT,
    peak INTEGER,
    peak_at TIMESTAMP WITH TIME ZONE,
    lengths TEXT NOT NULL,
    hours TEXT NOT NULL,
    CONSTRAINT pk_group_days PRIMARY KEY (day, group_id)
);
"""
SQLITE_ROWS = """\
INSERT INTO alembic_version VALUES ('0001');
INSERT INTO meta VALUES ('leader', '3');
INSERT INTO users VALUES (1, '名前', 1767268800123456, 1772438400, 253402214400);
INSERT INTO sessions VALUES (5, 1, 'lab', NULL, 1772438400, 1772439000, 253402214400);
INSERT INTO activity VALUES (1772438400, 1, 600);
INSERT INTO polls VALUES (1772439000, 300, 12, true, true, 1, 1, 1)
"""
POSTGRESQL_ROWS = """\
INSERT INTO alembic_version VALUES ('0001');
INSERT INTO meta VALUES ('leader', '3');
INSERT INTO users VALUES (1, '名前', '2026-01-01 12:00:00.123456+00', '2026-03-02 08:00+00',
    '9999-12-31 00:00+00');
INSERT INTO sessions VALUES (5, 1, 'lab', NULL, '2026-03-02 08:00+00', '2026-03-02 08:10+00',
    '9999-12-31 00:00+00');
INSERT INTO activity VALUES ('2026-03-02 08:00+00', 1, 600);
INSERT INTO polls VALUES ('2026-03-02 08:10+00', 300, 12, true, true, 1, 1, 1)
"""
TABLES = {"alembic_version", *t.metadata.tables}


async def reopen(db_url: str, *, migrate: bool = True) -> None:
    store = await Store.open(db_url, ZoneInfo("UTC"), migrate=migrate)
    await store.close()


@pytest.fixture
async def old_url(db_url: str) -> str:
    """A database that release 0.1.0 has used."""
    if db_url.startswith("sqlite"):
        await execute(db_url, SQLITE + SQLITE_ROWS)
    else:
        await execute(db_url, POSTGRESQL + POSTGRESQL_ROWS)
    return db_url


async def test_migrations_create_the_tables_of_the_code(db_url: str) -> None:
    """After all migrations Alembic finds nothing to change, and SCHEMA lists them all."""
    await reopen(db_url)
    assert await differences(db_url, SCHEMA, t.metadata) == []
    assert revisions(SCHEMA) == SCHEMA.revisions
    assert await table_names(db_url) == TABLES


async def test_an_old_database_is_migrated(old_url: str) -> None:
    """People, sessions, activity and the lead's number are still there afterwards."""
    with pytest.raises(ConfigError, match="no-migrate"):
        await reopen(old_url, migrate=False)
    store = await Store.open(old_url, ZoneInfo("UTC"))
    state = await store.load_state()
    assert state.people == {"名前": Person(1, "名前", CREATED, START, None)}
    last = START.replace(minute=10)
    assert state.running == {(1, "lab"): Session(5, 1, "lab", None, START, last, None)}
    assert state.last_poll == state.last_full == last
    async with store.reading() as connection:
        assert list(await connection.execute(select(t.activity))) == [(START, 1, 600)]
    assert await store.take_leadership() == 4
    await store.close()
    assert await differences(old_url, SCHEMA, t.metadata) == []


async def test_days_with_raw_records_are_counted_again(old_url: str) -> None:
    """Earlier versions counted time without observation as idle. Pruned days stay as they are."""
    await execute(old_url, "INSERT INTO meta VALUES ('first_day', '2026-01-01')")
    await execute(old_url, "INSERT INTO meta VALUES ('pruned_before', '2026-02-01')")
    await execute(old_url, "INSERT INTO meta VALUES ('rolled_until', '2026-03-02')")
    await reopen(old_url)
    found = await execute(old_url, "SELECT value FROM meta WHERE key = 'rolled_until'")
    assert found == [("2026-02-01",)]


async def test_a_newer_database_is_refused(db_url: str) -> None:
    """A database of a newer release gets one line that says what to do, and is left alone."""
    await reopen(db_url)
    await execute(db_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match=r"newer release \(schema 9999.*Upgrade"):
        await reopen(db_url)
    assert await execute(db_url, "SELECT version_num FROM alembic_version") == [("9999",)]


async def test_without_migrating_an_empty_database_stays_empty(db_url: str) -> None:
    """With --no-migrate no table is created."""
    with pytest.raises(ConfigError, match="no tables yet and --no-migrate is set"):
        await reopen(db_url, migrate=False)
    assert await table_names(db_url) == set()


async def test_concurrent_openings_create_one_schema(db_url: str) -> None:
    """Recorders that start at the same moment leave one set of tables, noted once."""
    await asyncio.gather(*(reopen(db_url) for _ in range(5)))
    assert await table_names(db_url) == TABLES
    assert await execute(db_url, "SELECT version_num FROM alembic_version") == [(SCHEMA.current,)]
