"""Rows inserted or replaced, in batches and with little overhead for each row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

BATCH = 1000
"""Rows handed to the driver together."""


async def upsert(
    connection: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Insert rows with a value for every column; replace those whose key exists.

    The driver gets the rows as they are to be stored: passed as dicts through SQLAlchemy, each
    row costs more on the way than the database takes to write it.
    """
    dialect = connection.dialect
    keys = [column.name for column in table.primary_key]
    insert = _insert(dialect, table)
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
    statement = insert.on_conflict_do_update(index_elements=keys, set_=others)
    compiled = str(statement.compile(dialect=dialect))
    values_of = itemgetter(*table.columns.keys())
    processors = [c.type.dialect_impl(dialect).bind_processor(dialect) for c in table.columns]
    to_convert = [(place, process) for place, process in enumerate(processors) if process]
    for batch in batches(rows, BATCH):
        stored = []
        for row in batch:
            values = list(values_of(row))
            for place, process in to_convert:
                values[place] = process(values[place])
            stored.append(tuple(values))
        await connection.exec_driver_sql(compiled, stored)


async def insert_missing(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows; leave those alone whose key exists."""
    if rows:
        insert = _insert(connection.dialect, table).on_conflict_do_nothing()
        await connection.execute(insert, rows)


def batches(rows: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The rows in lists of at most ``size``."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch


def _insert(dialect: Dialect, table: Table) -> Any:
    # The inserts of the two dialects have the same interface, but no common type.
    insert = postgresql.insert if dialect.name == "postgresql" else sqlite.insert
    return insert(table)
