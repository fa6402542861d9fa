"""The last valid text of a settings file, in a table with one row."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection


def kept_text_table(name: str, metadata: sa.MetaData) -> sa.Table:
    """A table for the text of one file, with its absolute path."""
    return sa.Table(
        name,
        metadata,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("path", sa.UnicodeText, nullable=False),
        sa.Column("text", sa.UnicodeText, nullable=False),
    )


async def kept_text(connection: AsyncConnection, table: sa.Table, path: Path) -> str | None:
    """The text of the file at ``path``; None if there is none or it is that of another file."""
    query = sa.select(table.c.text).where(table.c.path == _absolute(path))
    text: str | None = await connection.scalar(query)
    return text


async def keep_text(connection: AsyncConnection, table: sa.Table, path: Path, text: str) -> None:
    """Store the text of the file at ``path`` in place of what the table contains.

    :raises StoreConflict: another process did so at the same moment
    """
    await connection.execute(sa.delete(table))
    await connection.execute(sa.insert(table).values(id=1, path=_absolute(path), text=text))


def _absolute(path: Path) -> str:
    return str(path.absolute())
