"""The jobs of all courses: start, follow, cancel and retry them."""

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from common.clock import Clock
from common.errors import StoreError
from services.formgrader_proxy.access import Refusal
from services.formgrader_proxy.allow_list import find_rule
from services.formgrader_proxy.jobs.attempt import Outcome, Records
from services.formgrader_proxy.jobs.queue import CourseQueue
from services.formgrader_proxy.jobs.recorder import Recorder
from services.formgrader_proxy.jobs.requests import Wanted, segments_of
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.store.job import Item, Job, State, Summary
from services.formgrader_proxy.store.jobs import JobStore
from services.formgrader_proxy.upstream.formgraders import Formgraders

log = logging.getLogger("formgrader")

#: The status in the audit of a job that was started, cancelled or retried.
_OK = 200
#: The status of one that ended before it could be cancelled.
_CONFLICT = 409
_NAME_REFUSED = "The formgrader proxy does not accept this name; see “Names” in its documentation."


class JobRefused(Exception):
    """A job cannot be started, cancelled or retried now. The text says why, for a user."""


class User(NamedTuple):
    """Who changes something, with the name of their role in the course."""

    name: str
    role: str


class Counts(Protocol):
    """The metrics of jobs."""

    def job(self, old: State | None, new: State | None) -> None: ...

    def job_item(self, state: State) -> None: ...


@dataclass(frozen=True, slots=True)
class Listing:
    """The newest jobs of a course, newest first. Not complete while the database is unavailable."""

    summaries: Sequence[Summary]
    complete: bool


class Jobs:
    """The jobs of all courses."""

    def __init__(
        self, formgraders: Formgraders, store: JobStore, audit: Audit, counts: Counts, clock: Clock
    ) -> None:
        self._formgraders = formgraders
        self._store = store
        self._audit = audit
        self._counts = counts
        self._clock = clock
        self._records = Records(audit, Recorder(store, audit, clock), clock)
        self._queues: dict[str, CourseQueue] = {}
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        #: Courses whose jobs of an earlier process are marked as interrupted.
        self._settled: set[str] = set()
        self._closed = False
        #: Tells the versions of this process from those of others.
        self._life = secrets.token_hex(4)

    async def settle(self, course: str) -> None:
        """Mark the jobs that an earlier process did not finish as interrupted.

        :raises StoreError:
        """
        if course in self._settled:
            return
        async with self._starting[course]:
            if course in self._settled:
                return
            running = [job.id for job in self.queue(course).jobs]
            count = await self._store.interrupt(course, self._clock.now(), running=running)
            self._settled.add(course)
        if count:
            log.warning("course %s: jobs interrupted by a restart: %d", course, count)

    async def settle_all(self, courses: Sequence[str]) -> None:
        """As :meth:`settle`; if the database is unavailable, this is done later."""
        try:
            for course in courses:
                await self.settle(course)
        except StoreError as error:
            log.error("%s; the jobs of the last run are not marked as interrupted yet", error)

    def queue(self, course: str) -> CourseQueue:
        """The course's jobs that have not ended."""
        if course not in self._queues:
            find = partial(self._formgraders.get, course)
            self._queues[course] = CourseQueue(
                find, self._records, self._counts.job, self._counts.job_item
            )
        return self._queues[course]

    def version(self, course: str) -> str:
        """Differs after every change of the course's jobs."""
        return f"{self._life}-{self.queue(course).version}"

    def changed_since(self, version: str, job: Job) -> list[str]:
        """The students of a job in memory whose items have ended since this version."""
        life, _, number = version.partition("-")
        since = int(number) if life == self._life and number.isdecimal() else 0
        return [one.student for one in job.items if one.state.ended and one.version > since]

    async def newest(self, course: str) -> Listing:
        """The course's jobs, from the database and from memory."""
        queue = self.queue(course)
        try:
            await self.settle(course)
            stored = {one.job.id: one for one in await self._store.newest(course)}
        except StoreError as error:
            log.error("%s; only current jobs are listed", error)
            stored, complete = {}, False
        else:
            complete = True
        stored |= {job.id: Summary.of(job) for job in [*queue.recent, *queue.jobs]}
        newest = sorted(stored.values(), key=lambda one: one.job.id, reverse=True)
        return Listing(newest, complete)

    async def find(self, course: str, job_id: int) -> Job | None:
        """A job with its items; None if this course has no such job. :raises StoreError:"""
        queue = self.queue(course)
        known = next((job for job in [*queue.jobs, *queue.recent] if job.id == job_id), None)
        if known is not None:
            return known
        await self.settle(course)
        return await self._store.find(course, job_id)

    async def start(
        self, course: str, user: User, action: str, assignment: str, students: Sequence[str]
    ) -> tuple[Job, bool]:
        """Start a job with a request for each student, or for the assignment if one is "".

        If a job with the same requests is queued or running, that job, and False.

        :raises JobRefused: there is nothing to do
        :raises StoreError: it cannot be recorded, so it was not started
        """
        if not students:
            raise JobRefused("There are no such submissions, so there is nothing to do.")
        items = [_item(Wanted(action, assignment, student)) for student in students]
        job = Job(course, *user, action, assignment, self._clock.now(), items)
        return await self._begin(job, user, "job_start")

    async def broken_off(self, course: str, wanted: Wanted) -> set[str]:
        """The students whose last such request did not succeed. :raises StoreError:"""
        await self.settle(course)
        return await self._store.broken_off(course, wanted.action, wanted.assignment)

    async def run(self, course: str, user: User, wanted: Wanted) -> tuple[Job, Outcome]:
        """Run one request as a job and wait until it has ended.

        It goes on if the caller is cancelled. If the same request is queued or running, that one is
        awaited instead. Arguments and errors are those of :meth:`start`.
        """
        await self.settle(course)
        job, waiter = await asyncio.shield(self._begin_one(course, user, wanted))
        return job, await waiter

    async def cancel(self, course: str, job_id: int, user: User, *, now: bool) -> Job | None:
        """Cancel a job; None if there is no such job. With ``now`` also its running requests.

        :raises JobRefused: it has ended
        """
        job = await self.find(course, job_id)
        if job is None:
            return None
        _refuse_ended(job)
        number = None
        try:
            number = await self._audit.begin(self._change(job, user, "job_cancel"))
        except StoreError as error:  # stopping is safe; who did it is part of the job
            log.error("%s; job %d is cancelled without an entry", error, job.id)
        try:
            _refuse_ended(job)  # it may have ended meanwhile
        except JobRefused:
            if number is not None:
                self._records.recorder.finished(number, _CONFLICT, None)
                await self._records.recorder.write()
            raise
        await self.queue(course).cancel(job, user.name, now=now)
        if number is not None:
            self._records.recorder.finished(number, _OK, None)
        await self._records.recorder.write()
        return job

    async def retry(self, course: str, job_id: int, user: User) -> tuple[Job, bool] | None:
        """Start a job with what is not done of an ended one; None if there is no such job.

        Result and errors are otherwise those of :meth:`start`.
        """
        job = await self.find(course, job_id)
        if job is None:
            return None
        if not job.state.ended:
            raise JobRefused("This job has not ended yet.")
        left = [item.student for item in job.items if item.state is not State.DONE]
        if left:  # another retry may have ended, which an open page does not show yet
            done = await self._store.done_since(job)
            left = [student for student in left if student not in done]
        if not left:
            raise JobRefused("Everything in this job is done.")
        items = [_item(Wanted(job.action, job.assignment, student)) for student in left]
        again = Job(
            course, *user, job.action, job.assignment, self._clock.now(), items, retry_of=job.id
        )
        return await self._begin(again, user, "job_retry")

    async def close(self) -> None:
        """Mark what has not ended as interrupted, and write everything."""
        self._closed = True
        await asyncio.gather(*(queue.close() for queue in self._queues.values()))
        await self._records.recorder.close()

    async def _begin(self, job: Job, user: User, what: str) -> tuple[Job, bool]:
        await self.settle(job.course)
        # Completed even if the browser disconnects.
        return await asyncio.shield(self._begin_once(job, user, what))

    async def _begin_once(self, job: Job, user: User, what: str) -> tuple[Job, bool]:
        queue = self.queue(job.course)
        async with self._starting[job.course]:
            self._refuse_if_closed()
            same = next((one for one in queue.jobs if _includes(one, job)), None)
            if same is not None:
                return same, False
            job.id = await self._store.add(job)
            try:
                number = await self._audit.begin(self._change(job, user, what))
            except StoreError:
                job.state, job.ended_at = State.INTERRUPTED, self._clock.now()
                for item in job.items:
                    item.state = State.INTERRUPTED
                self._records.recorder.changed(job, *job.items)
                await self._records.recorder.write()
                raise
            await queue.add(job)
        self._records.recorder.finished(number, _OK, None)
        await self._records.recorder.write()
        return job, True

    async def _begin_one(
        self, course: str, user: User, wanted: Wanted
    ) -> tuple[Job, asyncio.Future[Outcome]]:
        queue = self.queue(course)
        async with self._starting[course]:
            found = queue.find(wanted)
            if found is not None:
                return found[0], queue.waiter(found[1])
            self._refuse_if_closed()
            item = Item(wanted.student)
            now = self._clock.now()
            job = Job(course, *user, wanted.action, wanted.assignment, now, [item])
            job.id = await self._store.add(job)
            waiter = queue.waiter(item)
            await queue.add(job)
            return job, waiter

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise JobRefused("The service is stopping. Try again in a moment.")

    def _change(self, job: Job, user: User, what: str) -> Change:
        return Change(
            at=self._clock.now(),
            course=job.course,
            user=user.name,
            role=user.role,
            action=what,
            path=f"jobs/{job.id}/{job.action}/{job.assignment}",
        )


def _refuse_ended(job: Job) -> None:
    if job.state.ended:
        raise JobRefused("This job has already ended.")


def _item(wanted: Wanted) -> Item:
    """An item, which has failed already if its request is not on the allow-list."""
    rule = find_rule("POST", segments_of(wanted))
    if isinstance(rule, Refusal):
        return Item(wanted.student[:255], State.FAILED, lines=(_NAME_REFUSED,))
    return Item(wanted.student)


def _includes(running: Job, job: Job) -> bool:
    """Whether a running job already has all requests of another that are still to be done."""
    if (running.action, running.assignment) != (job.action, job.assignment) or running.cancelled_by:
        return False
    return _queued(job.items) <= _queued(running.items)


def _queued(items: Collection[Item]) -> set[str]:
    return {item.student for item in items if not item.state.ended}
