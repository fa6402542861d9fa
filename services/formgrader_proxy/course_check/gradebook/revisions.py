"""Whether a gradebook has the form that the installed nbgrader needs."""

from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import nbgrader
from alembic.script import ScriptDirectory
from nbgrader.api import Base
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

#: Tables without which a database is not a gradebook.
_TABLES = {"assignment", "student", "grade"}


class Upgrade(NamedTuple):
    """Where and how ``nbgrader db upgrade`` has to be run, for a message."""

    command: str


def examine_revision(connection: Connection, name: str, upgrade: Upgrade) -> str | None:
    """What is wrong with the tables of the database, which is called ``name``.

    A database without any tables is a new gradebook.
    """
    found = inspect(connection)
    tables = set(found.get_table_names())
    if not tables & _TABLES:
        return None if not tables or connection.dialect.name != "sqlite" else _foreign(name)
    revision = _revision(connection) if "alembic_version" in tables else None
    if revision is None:
        older = any(
            column.name not in {one["name"] for one in found.get_columns(table.name)}
            for table in Base.metadata.sorted_tables
            if table.name in tables
            for column in table.columns
        )
        return _older(name, upgrade) if older else None
    scripts = ScriptDirectory(str(Path(nbgrader.__file__).parent / "alembic"))
    if revision in scripts.get_heads():
        return None
    if revision in {script.revision for script in scripts.walk_revisions()}:
        return _older(name, upgrade)
    return (
        f"{name} was made by a newer nbgrader than the installed version {version('nbgrader')}"
        f" (revision {revision} is unknown). Install the newer nbgrader."
    )


def _revision(connection: Connection) -> str | None:
    try:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except SQLAlchemyError:
        return None


def _foreign(name: str) -> str:
    return f"{name} is a database, but not a gradebook. Correct the path, or move the file away."


def _older(name: str, upgrade: Upgrade) -> str:
    return (
        f"{name} was made by an older nbgrader than the installed version {version('nbgrader')}."
        f" Make a backup and run: {upgrade.command}"
    )
