"""The table of changes, and the mapping between its rows and values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from common.db.kept_text import kept_text_table
from common.db.types import UtcDateTime

metadata = sa.MetaData()
# Written once, with version 1. Releases before Alembic read it, and so refuse a newer database.
earlier_schema = sa.Table(
    "formgrader_schema",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)
audit = sa.Table(
    "formgrader_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("course", sa.Unicode(100), nullable=False),
    sa.Column("user_name", sa.Unicode(255), nullable=False),
    sa.Column("role", sa.Unicode(20), nullable=False),
    sa.Column("action", sa.Unicode(40), nullable=False),
    sa.Column("path", sa.UnicodeText, nullable=False),
    sa.Column("fields", sa.UnicodeText, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("succeeded", sa.Boolean),
    sa.Index("formgrader_audit_course", "course", "id"),
    sqlite_autoincrement=True,
)

secret = sa.Table(
    "formgrader_secret",
    metadata,
    sa.Column("name", sa.Unicode(40), primary_key=True),
    sa.Column("value", sa.Unicode(100), nullable=False),
)
kept_courses = kept_text_table("formgrader_kept_courses", metadata)


@dataclass(frozen=True)
class Change:
    """One change in a course.

    fields: the names of the fields that were sent, without their values.
    status: the formgrader's response; None if it was not seen.
    succeeded: whether nbgrader reported that an action such as autograding succeeded. It answers
        with status 200 in any case. None for other changes.
    """

    at: datetime
    course: str
    user: str
    role: str
    action: str
    path: str
    fields: tuple[str, ...] = ()
    status: int | None = None
    succeeded: bool | None = None


def change_from(row: sa.Row[Any]) -> Change:
    """The change in a row of ``audit``."""
    return Change(
        at=row.at,
        course=row.course,
        user=row.user_name,
        role=row.role,
        action=row.action,
        path=row.path,
        fields=tuple(row.fields.split()),
        status=row.status,
        succeeded=row.succeeded,
    )


def change_values(change: Change) -> dict[str, Any]:
    """The row of a change, without its id."""
    return {
        "at": change.at,
        "course": change.course,
        "user_name": change.user,
        "role": change.role,
        "action": change.action,
        "path": change.path,
        "fields": " ".join(change.fields),
        "status": change.status,
        "succeeded": change.succeeded,
    }
