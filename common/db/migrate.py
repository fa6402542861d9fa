"""Migrations by Alembic. Imported only when one is due: Alembic is slow to import, and large."""

import logging

import sqlalchemy as sa

from common.db.schema import Schema

# Before the import: Alembic logs a line for each plugin that it loads.
logging.getLogger("alembic").setLevel(logging.WARNING)

from alembic import command, context  # noqa: E402
from alembic.config import Config  # noqa: E402


def upgrade(connection: sa.Connection, schema: Schema) -> None:
    """Run all migrations that are due, in the connection's transaction."""
    config = Config()
    # The value is interpolated like that of a configuration file.
    config.set_main_option("script_location", str(schema.migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = schema.version_table
    command.upgrade(config, "head")


def run_migrations() -> None:
    """What each service's ``migrations/env.py`` does: use the connection given to upgrade."""
    attributes = context.config.attributes
    connection: sa.Connection = attributes["connection"]
    context.configure(
        connection=connection,
        version_table=attributes["version_table"],
        transaction_per_migration=False,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
