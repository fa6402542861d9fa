"""Who changed what in which course, and when: kept in a database, one row a change.

The row is written before the change goes to the formgrader and completed afterwards, so a
change that was made is never without one; a row without a status is one whose end we did
not see. Of a body only the names of its fields are kept.
"""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from common.db.engine import UtcDateTime, make_engine, parse_url, try_file
from common.errors import ServiceError

SCHEMA = 1
"""Of this release. A database of a newer one is refused."""

_metadata = sa.MetaData()
_schema = sa.Table(
    "formgrader_schema",
    _metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)
_audit = sa.Table(
    "formgrader_audit",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("course", sa.Unicode(100), nullable=False),
    sa.Column("user_name", sa.Unicode(255), nullable=False),
    sa.Column("role", sa.Unicode(20), nullable=False),
    sa.Column("action", sa.Unicode(40), nullable=False),
    sa.Column("path", sa.UnicodeText, nullable=False),
    sa.Column("fields", sa.UnicodeText, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Index("formgrader_audit_course", "course", "id"),
    sqlite_autoincrement=True,
)


class AuditUnavailable(ServiceError):
    """The audit cannot be written now, so no change may pass."""


@dataclass(frozen=True)
class Change:
    """One change. ``status`` is the formgrader's answer, None where we did not see it."""

    at: datetime
    course: str
    user: str
    role: str
    action: str
    path: str
    fields: tuple[str, ...] = ()
    status: int | None = None


class Audit:
    """The audit in its database; open it before use."""

    def __init__(self, db_url: str) -> None:
        """:raises ConfigError: the URL cannot be used"""
        self._url = parse_url(db_url)
        self._engine: AsyncEngine = make_engine(self._url)

    async def open(self) -> None:
        """Make the tables. :raises ServiceError: the database is away, or of a newer release"""
        try:
            try_file(self._url)
            async with self._engine.begin() as connection:
                await connection.run_sync(_metadata.create_all)
                found = await connection.scalar(sa.select(sa.func.max(_schema.c.version)))
                if found is None:
                    await connection.execute(_schema.insert().values(version=SCHEMA))
        except (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError) as error:
            raise AuditUnavailable(
                f"the audit's database cannot be opened: {_say(error)}"
            ) from None
        if found is not None and found > SCHEMA:
            raise ServiceError(
                f"the audit's database is of a newer release (schema {found}, this one knows"
                f" {SCHEMA}). Update jupyterhub-classroom, or use another database."
            )

    async def close(self) -> None:
        """Let go of the database."""
        await self._engine.dispose()

    async def begin(self, change: Change) -> int:
        """Note a change that is about to be made. :raises AuditUnavailable:"""
        values = {
            "at": change.at,
            "course": change.course,
            "user_name": change.user,
            "role": change.role,
            "action": change.action,
            "path": change.path,
            "fields": " ".join(change.fields),
            "status": None,
        }
        try:
            async with self._engine.begin() as connection:
                statement = _audit.insert().values(**values).returning(_audit.c.id)
                return int((await connection.execute(statement)).scalar_one())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise AuditUnavailable(f"the audit cannot be written: {_say(error)}") from None

    async def finish(self, number: int, status: int) -> None:
        """Note the formgrader's answer. :raises AuditUnavailable:"""
        statement = _audit.update().where(_audit.c.id == number).values(status=status)
        try:
            async with self._engine.begin() as connection:
                await connection.execute(statement)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise AuditUnavailable(f"the audit cannot be written: {_say(error)}") from None

    async def newest(self, course: str, *, limit: int = 200) -> Sequence[Change]:
        """The newest changes of a course, newest first."""
        statement = (
            sa.select(_audit).where(_audit.c.course == course).order_by(_audit.c.id.desc())
        ).limit(limit)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        return [_change(row) for row in rows]

    async def every(self, course: str, *, step: int = 1000) -> AsyncIterator[Sequence[Change]]:
        """All changes of a course, oldest first, some at a time."""
        last = 0
        while True:
            statement = (
                sa.select(_audit)
                .where(_audit.c.course == course, _audit.c.id > last)
                .order_by(_audit.c.id)
                .limit(step)
            )
            async with self._engine.connect() as connection:
                rows = (await connection.execute(statement)).all()
            if not rows:
                return
            last = rows[-1].id
            yield [_change(row) for row in rows]


def _change(row: sa.Row[Any]) -> Change:
    return Change(
        at=row.at,
        course=row.course,
        user=row.user_name,
        role=row.role,
        action=row.action,
        path=row.path,
        fields=tuple(row.fields.split()),
        status=row.status,
    )


def _say(error: Exception) -> str:
    """The driver's words without the statement and its values."""
    return str(getattr(error, "orig", None) or type(error).__name__)[:200]
