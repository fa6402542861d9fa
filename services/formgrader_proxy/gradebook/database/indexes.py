"""Indexes on the gradebook's foreign keys, which nbgrader does not create.

Without them, a list of submissions takes minutes with a thousand students. They are added under
names of this project, change nothing else, and can be removed.
"""

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import SQLAlchemyError
from tornado.log import app_log

PREFIX = "classroom_"
#: Table and column of each index.
COLUMNS = (
    ("grade", "notebook_id"),
    ("grade", "cell_id"),
    ("comment", "notebook_id"),
    ("comment", "cell_id"),
    ("submitted_notebook", "assignment_id"),
    ("submitted_notebook", "notebook_id"),
    ("submitted_assignment", "assignment_id"),
    ("submitted_assignment", "student_id"),
    ("base_cell", "notebook_id"),
    ("notebook", "assignment_id"),
    ("source_cell", "notebook_id"),
)
#: How long creating or removing waits for other users of the database, in milliseconds.
_WAIT = 5_000
#: Any number that other users of a PostgreSQL server are unlikely to use for an advisory lock.
_LOCK = 7_413_290_118


def index_name(table: str, column: str) -> str:
    """``classroom_grade_notebook_id``"""
    return f"{PREFIX}{table}_{column}"


def create(engine: Engine) -> list[str]:
    """Create the missing indexes of the tables that exist; returns the names of the new ones.

    Safe when several processes do it at once.

    :raises SQLAlchemyError: the database is read-only, locked or not reachable
    """
    with engine.connect() as connection:
        if not _missing(connection):
            return []
        if not _lock(connection):
            return []  # another process is creating them
        missing = _missing(connection)
        for table, column in missing:
            connection.exec_driver_sql(
                f"CREATE INDEX IF NOT EXISTS {index_name(table, column)} ON {table} ({column})"
            )
        # Otherwise SQLite guesses how many rows an index finds.
        for table in sorted({table for table, _ in missing}):
            connection.exec_driver_sql(f"ANALYZE {table}")
        connection.commit()
    return [index_name(table, column) for table, column in missing]


def remove(engine: Engine) -> list[str]:
    """Remove every index of this project; returns their names.

    :raises SQLAlchemyError: the database is read-only, locked or not reachable
    """
    with engine.connect() as connection:
        _lock(connection, wait=True)
        names = sorted(_existing(connection))
        for name in names:
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
        connection.commit()
    return names


def create_or_log(engine: Engine, known: str = "") -> str:
    """Create the missing indexes; returns why that is not possible, otherwise nothing.

    A problem is logged unless it is the one that is already known.
    """
    try:
        names = create(engine)
    except SQLAlchemyError as error:
        problem = reason(error)
        if problem != known:
            app_log.warning("Without indexes in the gradebook, pages are slow: %s", problem)
        return problem
    if names:
        app_log.info("Created %d indexes in the gradebook: %s", len(names), ", ".join(names))
    return ""


def reason(error: Exception) -> str:
    """The first line of an error, without the statement that failed and its parameters."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _existing(connection: Connection) -> set[str]:
    """The names of this project's indexes."""
    found = inspect(connection)
    tables = set(found.get_table_names())
    return {
        str(index["name"])
        for table in {table for table, _ in COLUMNS} & tables
        for index in found.get_indexes(table)
        if str(index["name"]).startswith(PREFIX)
    }


def _missing(connection: Connection) -> list[tuple[str, str]]:
    tables, existing = set(inspect(connection).get_table_names()), _existing(connection)
    return [
        (table, column)
        for table, column in COLUMNS
        if table in tables and index_name(table, column) not in existing
    ]


def _lock(connection: Connection, *, wait: bool = False) -> bool:
    """Keep other processes from doing this at the same time; False if one does."""
    if connection.dialect.name == "sqlite":
        if connection.in_transaction():
            connection.commit()
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {_WAIT}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return True
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_WAIT}")
        function = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
        locked = connection.exec_driver_sql(f"SELECT {function}({_LOCK})").scalar()
        return wait or bool(locked)
    return True
