"""Migrations by Alembic. Imported only when one is due: Alembic is slow to import, and large."""

import logging
from pathlib import Path

import sqlalchemy as sa

# Before the import: Alembic logs a line for each plugin that it loads.
logging.getLogger("alembic").setLevel(logging.WARNING)

from alembic import command, context  # noqa: E402
from alembic.config import Config  # noqa: E402


def upgrade(connection: sa.Connection, migrations: Path, version_table: str) -> None:
    """Run all migrations that are due, in the connection's transaction.

    migrations: the folder with Alembic's env.py and versions/.
    version_table: where the database stores its revision.
    """
    config = Config()
    # The value is interpolated like that of a configuration file.
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = version_table
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
