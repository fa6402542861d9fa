"""A database's schema, checked when the database is opened and migrated when that is due.

The check is one query. Alembic, slow to import and large, is imported for a migration only.
Several processes may open one database at the same time: one migrates, the others wait.
"""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from common.db.address import DatabaseAddress
from common.db.engine import prepare_file
from common.db.transactions import Database, store_errors
from common.errors import ConfigError, StoreUnavailable

log = logging.getLogger(__name__)

MIGRATION_LOCK = 7461003
"""The number of PostgreSQL's advisory lock that is held during a migration."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The schema that a service works with.

    migrations: the folder with Alembic's env.py and versions/.
    revisions: all of them, oldest first; the last is the one of this release.
    version_table: where the database stores its revision.
    earlier_table: where releases that did not use Alembic stored ``version``, a number; the
    first revision takes over from their version 1.
    """

    migrations: Path
    revisions: tuple[str, ...]
    version_table: str
    earlier_table: str = ""

    @property
    def current(self) -> str:
        """The revision of this release."""
        return self.revisions[-1]


async def open_database(
    address: DatabaseAddress, schema: Schema, *, migrate: bool = True
) -> Database:
    """Open a database whose schema is that of this release, or becomes it now.

    :raises ConfigError: a newer release created the schema, or it is out of date and
        ``migrate`` is false
    :raises StoreError: the database is out of reach; try again later
    """
    with store_errors(address.shown):
        await asyncio.to_thread(prepare_file, address)
    database = Database(address)
    try:
        if await _revision(database, schema) != schema.current:
            await _bring_up_to_date(database, schema, migrate=migrate)
    except BaseException:
        await database.close()
        raise
    return database


async def _revision(database: Database, schema: Schema) -> str | None:
    """The database's revision, by one plain query; None if that fails, as without its table."""
    try:
        async with database.reading() as connection:
            revision: str | None = await connection.scalar(_version_query(schema))
    except StoreUnavailable as error:
        if not isinstance(error.__cause__, OperationalError | ProgrammingError):
            raise
        return None
    return revision


async def _bring_up_to_date(database: Database, schema: Schema, *, migrate: bool) -> None:
    async with database.writing() if migrate else database.reading() as connection:
        if migrate and not database.address.is_sqlite:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        found = await connection.run_sync(_check, schema, database.address.shown)
        if found == schema.current:
            return  # another process has migrated in the meantime
        if not migrate:
            state = "has no tables yet" if found is None else f"has the older schema {found!r}"
            raise ConfigError(
                [
                    f"--db-url: {database.address.shown} {state} and --no-migrate is set; start"
                    f" once without it to migrate to schema {schema.current!r}"
                ]
            )
        from common.db.migrate import upgrade

        await connection.run_sync(upgrade, schema.migrations, schema.version_table)
    if found is None:
        log.info("Created the tables of the database (schema %s)", schema.current)
    else:
        log.info("Migrated the database from schema %s to %s", found, schema.current)


def _check(connection: sa.Connection, schema: Schema, shown: str) -> str | None:
    """The database's revision. :raises ConfigError: a newer release has migrated it"""
    revision: str | None = None
    if _has_table(connection, schema.version_table):
        revision = connection.scalar(_version_query(schema))
    if revision is not None:
        if revision not in schema.revisions:
            raise _newer(shown, revision, schema)
    elif schema.earlier_table and _has_table(connection, schema.earlier_table):
        version = connection.scalar(sa.text(f"SELECT max(version) FROM {schema.earlier_table}"))  # noqa: S608
        if version is not None and version > 1:
            raise _newer(shown, str(version), schema)
    return revision


def _newer(shown: str, found: str, schema: Schema) -> ConfigError:
    return ConfigError(
        [
            f"--db-url: {shown} was created by a newer release (schema {found}, this release"
            f" knows {schema.current}). Upgrade jupyterhub-classroom, or use another database."
            " Nothing was changed."
        ]
    )


def _has_table(connection: sa.Connection, name: str) -> bool:
    return bool(sa.inspect(connection).has_table(name))


def _version_query(schema: Schema) -> sa.TextClause:
    return sa.text(f"SELECT version_num FROM {schema.version_table}")  # noqa: S608
