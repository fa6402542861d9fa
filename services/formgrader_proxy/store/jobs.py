"""The jobs of all courses, in the database of the audit."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.store.job import Failure, Item, Job, State, Summary
from services.formgrader_proxy.store.job_tables import (
    item_changes,
    item_from,
    items,
    job_changes,
    job_from,
    job_values,
    jobs,
)

#: The jobs that are kept for each course: this many with several items, and with one.
KEPT = 100
_RUNNING = (State.QUEUED.value, State.RUNNING.value)


class JobStore:
    """Stores jobs. Every method may raise StoreError."""

    def __init__(self, audit: Audit) -> None:
        """``audit`` opens and closes the database."""
        self._audit = audit

    async def add(self, job: Job) -> int:
        """Store a new job, forget the oldest ones of its course, and return its id."""
        async with self._audit.database.writing() as connection:
            statement = sa.insert(jobs).values(job_values(job)).returning(jobs.c.id)
            number = int((await connection.execute(statement)).scalar_one())
            rows = [
                {"job_id": number, "number": index, "student": item.student, **item_changes(item)}
                for index, item in enumerate(job.items)
            ]
            await connection.execute(sa.insert(items), rows)
            await _forget(connection, job.course, jobs.c.total > 1)
            await _forget(connection, job.course, jobs.c.total <= 1)
        return number

    async def update(self, job: Job, changed: Collection[Item]) -> None:
        """Store the state of a job and of these of its items, as it is at the call."""
        state = job_changes(job)
        rows = [
            {"of_job": job.id, "of_number": index, **item_changes(item)}
            for index, item in enumerate(job.items)
            if item in changed
        ]
        async with self._audit.database.writing() as connection:
            await connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(state))
            if rows:
                await connection.execute(_UPDATE_ITEM, rows)

    async def interrupt(self, course: str, at: datetime, *, running: Collection[int] = ()) -> int:
        """Mark the course's jobs that have not ended as interrupted, except for those ``running``.

        Returns how many there were.
        """
        left = jobs.c.state.in_(_RUNNING) & (jobs.c.course == course) & jobs.c.id.not_in(running)
        values = {"state": State.INTERRUPTED.value, "ended_at": at}
        async with self._audit.database.writing() as connection:
            of_these = items.c.job_id.in_(sa.select(jobs.c.id).where(left))
            await connection.execute(
                sa.update(items).where(of_these, items.c.state.in_(_RUNNING)).values(values)
            )
            done = await connection.execute(sa.update(jobs).where(left).values(values))
            return int(done.rowcount)

    async def newest(self, course: str, *, limit: int = KEPT) -> Sequence[Summary]:
        """The newest jobs of a course without their items, newest first."""
        query = sa.select(jobs).where(jobs.c.course == course).order_by(jobs.c.id.desc())
        async with self._audit.database.reading() as connection:
            rows = (await connection.execute(query.limit(limit))).all()
            counts = await _counts(connection, [row.id for row in rows])
        return [Summary(job_from(row, []), row.total, counts.get(row.id, {})) for row in rows]

    async def failures(self, job_ids: Collection[int], *, limit: int = 200) -> Sequence[Failure]:
        """The failed items of these jobs, at most ``limit``, those of the newest job first."""
        query = (
            sa.select(items.c.job_id, items.c.student, items.c.lines)
            .where(items.c.job_id.in_(job_ids), items.c.state == State.FAILED.value)
            .order_by(items.c.job_id.desc(), items.c.number)
        )
        async with self._audit.database.reading() as connection:
            rows = (await connection.execute(query.limit(limit))).all()
        return [Failure(row.job_id, row.student, tuple(row.lines.split("\n"))) for row in rows]

    async def broken_off(self, course: str, action: str, assignment: str) -> set[str]:
        """The students whose last such request was sent, but did not succeed.

        nbgrader may count their submissions as processed: if its process ends while it autogrades
        one, the gradebook has it already.
        """
        query = (
            sa.select(items.c.student, items.c.state)
            .join(jobs, items.c.job_id == jobs.c.id)
            .where(
                jobs.c.course == course,
                jobs.c.action == action,
                jobs.c.assignment == assignment,
                items.c.started_at.is_not(None),
            )
            .order_by(jobs.c.id)
        )
        async with self._audit.database.reading() as connection:
            last = {row.student: State(row.state) for row in await connection.execute(query)}
        return {student for student, state in last.items() if state.ended and state != State.DONE}

    async def done_since(self, job: Job) -> set[str]:
        """The students for whom a later job has done the same as this one was to do."""
        query = (
            sa.select(items.c.student)
            .join(jobs, items.c.job_id == jobs.c.id)
            .where(
                jobs.c.course == job.course,
                jobs.c.action == job.action,
                jobs.c.assignment == job.assignment,
                jobs.c.id > job.id,
                items.c.state == State.DONE.value,
            )
        )
        async with self._audit.database.reading() as connection:
            return {row.student for row in await connection.execute(query)}

    async def find(self, course: str, job_id: int) -> Job | None:
        """A job of this course with its items; None if the course has no such job."""
        query = sa.select(jobs).where(jobs.c.course == course, jobs.c.id == job_id)
        of_it = sa.select(items).where(items.c.job_id == job_id).order_by(items.c.number)
        async with self._audit.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            return job_from(row, [item_from(item) for item in await connection.execute(of_it)])


_UPDATE_ITEM = (
    sa.update(items)
    .where(items.c.job_id == sa.bindparam("of_job"), items.c.number == sa.bindparam("of_number"))
    .values({name: sa.bindparam(name) for name in ("state", "started_at", "ended_at", "lines")})
)


async def _forget(connection: AsyncConnection, course: str, kind: sa.ColumnElement[bool]) -> None:
    """Delete all but the newest jobs of this kind that have ended."""
    kept = (
        sa.select(jobs.c.id)
        .where(jobs.c.course == course, kind)
        .order_by(jobs.c.id.desc())
        .limit(KEPT)
    )
    old = (jobs.c.course == course) & kind & jobs.c.state.not_in(_RUNNING) & jobs.c.id.not_in(kept)
    found = [row.id for row in await connection.execute(sa.select(jobs.c.id).where(old))]
    if found:
        await connection.execute(sa.delete(items).where(items.c.job_id.in_(found)))
        await connection.execute(sa.delete(jobs).where(jobs.c.id.in_(found)))


async def _counts(
    connection: AsyncConnection, job_ids: Collection[int]
) -> Mapping[int, dict[State, int]]:
    query = (
        sa.select(items.c.job_id, items.c.state, sa.func.count())
        .where(items.c.job_id.in_(job_ids))
        .group_by(items.c.job_id, items.c.state)
    )
    found: dict[int, dict[State, int]] = {}
    rows: Sequence[Any] = (await connection.execute(query)).all()
    for job_id, state, count in rows:
        found.setdefault(job_id, {})[State(state)] = count
    return found
