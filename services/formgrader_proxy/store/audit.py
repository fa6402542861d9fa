"""The audit: one row for each change in a course, with who made it and when.

The row is written before the change goes to the formgrader and completed afterwards, so every
change that was made has a row. A row without a status is a change whose end was not seen.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from common.db.address import parse_address
from common.db.kept_text import keep_text, kept_text
from common.db.schema import Schema, open_database
from common.db.transactions import Database
from common.errors import StoreUnavailable
from services.formgrader_proxy.store.secret import lasting_secret
from services.formgrader_proxy.store.tables import (
    Change,
    audit,
    change_from,
    change_values,
    kept_courses,
)

__all__ = ["Audit", "Change"]

SCHEMA = Schema(
    migrations=Path(__file__).parent / "migrations",
    revisions=("0001", "0002", "0003", "0004", "0005"),
    version_table="formgrader_alembic_version",
    earlier_table="formgrader_schema",
)


class Audit:
    """The audit in its database. Open it before use and close it at the end.

    Every method may raise StoreError.
    """

    def __init__(self, db_url: str) -> None:
        """:raises ConfigError: the URL cannot be used"""
        self._address = parse_address(db_url)
        self._database: Database | None = None
        #: What the keys of pages are made from, since :meth:`open`.
        self.page_secret = b""

    async def open(self) -> None:
        """Connect, and create or migrate the tables where that is due.

        :raises ConfigError: a newer release created the database
        :raises StoreUnavailable: the database is out of reach; call open again later
        """
        database = await open_database(self._address, SCHEMA)
        try:
            self.page_secret = await lasting_secret(database, "pages")
        except BaseException:
            await database.close()
            raise
        self._database = database

    async def close(self) -> None:
        """Close all connections."""
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def begin(self, change: Change) -> int:
        """Record a change that is about to be made; the number of its row."""
        values = change_values(replace(change, status=None, succeeded=None))
        async with self.database.writing() as connection:
            statement = sa.insert(audit).values(values).returning(audit.c.id)
            return int((await connection.execute(statement)).scalar_one())

    async def finish(self, number: int, status: int, succeeded: bool | None = None) -> None:
        """Record the formgrader's response to a change."""
        async with self.database.writing() as connection:
            await connection.execute(
                sa.update(audit)
                .where(audit.c.id == number)
                .values(status=status, succeeded=succeeded)
            )

    async def newest(self, course: str, *, limit: int = 200) -> Sequence[Change]:
        """The newest changes of a course, newest first."""
        query = sa.select(audit).where(audit.c.course == course).order_by(audit.c.id.desc())
        async with self.database.reading() as connection:
            return [change_from(row) for row in await connection.execute(query.limit(limit))]

    async def latest(self, courses: Iterable[str]) -> dict[str, Change]:
        """The newest change of each of these courses that has one, by course."""
        newest = (
            sa.select(sa.func.max(audit.c.id))
            .where(audit.c.course.in_(list(courses)))
            .group_by(audit.c.course)
        )
        async with self.database.reading() as connection:
            rows = await connection.execute(sa.select(audit).where(audit.c.id.in_(newest)))
            return {row.course: change_from(row) for row in rows}

    async def every(self, course: str, *, step: int = 1000) -> AsyncIterator[Sequence[Change]]:
        """All changes of a course, oldest first, at most ``step`` at a time."""
        last = 0
        while True:
            query = (
                sa.select(audit)
                .where(audit.c.course == course, audit.c.id > last)
                .order_by(audit.c.id)
                .limit(step)
            )
            async with self.database.reading() as connection:
                rows = (await connection.execute(query)).all()
            if not rows:
                return
            last = rows[-1].id
            yield [change_from(row) for row in rows]

    async def kept_courses(self, path: Path) -> str | None:
        """The last valid text of the courses file at a path."""
        async with self.database.reading() as connection:
            return await kept_text(connection, kept_courses, path)

    async def keep_courses(self, path: Path, text: str) -> None:
        """Keep a valid text of the courses file, in place of an earlier one."""
        async with self.database.writing() as connection:
            await keep_text(connection, kept_courses, path, text)

    @property
    def database(self) -> Database:
        """The open database. :raises StoreUnavailable: it is not open"""
        if self._database is None:
            raise StoreUnavailable(f"database {self._address.shown}: not open")
        return self._database
