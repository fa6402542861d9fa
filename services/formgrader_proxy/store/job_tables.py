"""The tables of jobs, and the mapping between their rows and values."""

from typing import Any

import sqlalchemy as sa

from common.db.types import UtcDateTime
from services.formgrader_proxy.store.job import Item, Job, State
from services.formgrader_proxy.store.tables import metadata

jobs = sa.Table(
    "formgrader_job",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("course", sa.Unicode(100), nullable=False),
    sa.Column("user_name", sa.Unicode(255), nullable=False),
    sa.Column("role", sa.Unicode(20), nullable=False),
    sa.Column("action", sa.Unicode(40), nullable=False),
    sa.Column("assignment", sa.Unicode(255), nullable=False),
    sa.Column("state", sa.Unicode(20), nullable=False),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("cancelled_by", sa.Unicode(255), nullable=False),
    sa.Column("retry_of", sa.Integer),
    sa.Index("formgrader_job_course", "course", "id"),
    sqlite_autoincrement=True,
)
items = sa.Table(
    "formgrader_job_item",
    metadata,
    sa.Column("job_id", sa.Integer, sa.ForeignKey("formgrader_job.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("student", sa.Unicode(255), nullable=False),
    sa.Column("state", sa.Unicode(20), nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("lines", sa.UnicodeText, nullable=False),
)


def job_values(job: Job) -> dict[str, Any]:
    """The row of a job, without its id."""
    return {
        "course": job.course,
        "user_name": job.user,
        "role": job.role,
        "action": job.action,
        "assignment": job.assignment,
        "total": len(job.items),
        "created_at": job.created_at,
        "retry_of": job.retry_of,
        **job_changes(job),
    }


def job_changes(job: Job) -> dict[str, Any]:
    """The columns of a job that change."""
    return {
        "state": job.state.value,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "cancelled_by": job.cancelled_by,
    }


def item_changes(item: Item) -> dict[str, Any]:
    """The columns of an item that change."""
    return {
        "state": item.state.value,
        "started_at": item.started_at,
        "ended_at": item.ended_at,
        "lines": "\n".join(item.lines),
    }


def job_from(row: sa.Row[Any], of: list[Item]) -> Job:
    """The job in a row, with these items."""
    return Job(
        course=row.course,
        user=row.user_name,
        role=row.role,
        action=row.action,
        assignment=row.assignment,
        created_at=row.created_at,
        items=of,
        id=row.id,
        state=State(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        cancelled_by=row.cancelled_by,
        retry_of=row.retry_of,
    )


def item_from(row: sa.Row[Any]) -> Item:
    """The item in a row."""
    return Item(
        student=row.student,
        state=State(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        lines=tuple(row.lines.split("\n")) if row.lines else (),
    )
