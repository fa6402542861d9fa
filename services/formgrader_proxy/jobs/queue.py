"""The jobs of one course that have not ended, and their running requests."""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from services.formgrader_proxy.jobs.attempt import NotSent, Outcome, Records, attempt
from services.formgrader_proxy.jobs.choice import choose
from services.formgrader_proxy.jobs.requests import Wanted
from services.formgrader_proxy.store.job import Item, Job, State
from services.formgrader_proxy.upstream.endpoint import Upstream
from services.formgrader_proxy.upstream.formgrader import Formgrader

log = logging.getLogger("formgrader")

#: Jobs that have ended and are kept in memory, for pages that show their last items.
RECENT = 5

#: A job or an item goes from one state to another; None before it exists, and after a job's end.
OnJob = Callable[[State | None, State | None], None]
OnItem = Callable[[State], None]
#: Finds the formgrader of the course as it is now; None if the course is no longer served.
Find = Callable[[], Formgrader | None]


@dataclass(slots=True)
class _Run:
    """A running item. ``upstream`` is None until its request is sent."""

    task: asyncio.Task[None]
    upstream: Upstream | None = None


class CourseQueue:
    """Runs the items of a course's jobs, as many at once as its formgrader handles."""

    def __init__(self, find: Find, records: Records, on_job: OnJob, on_item: OnItem) -> None:
        self._find = find
        self._records = records
        self._on_job, self._on_item = on_job, on_item
        #: Jobs that have not ended; the one that was served last is last.
        self.jobs: list[Job] = []
        #: Jobs that have ended, the last one first.
        self.recent: list[Job] = []
        #: Increases with every change.
        self.version = 0
        #: Those of the jobs. They are used to a job's end, even if the course is removed.
        self._formgraders: dict[Job, tuple[Formgrader, ExitStack]] = {}
        self._runs: dict[Item, _Run] = {}
        self._waiting: dict[Item, list[asyncio.Future[Outcome]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def add(self, job: Job) -> None:
        """Run a stored job, whose items are queued. Those that have ended already stay so."""
        self.jobs.insert(0, job)
        self._on_job(None, job.state)
        for item in job.items:
            self._touch(job, item)
            if item.state.ended:
                self._on_item(item.state)
        formgrader, held = self._find(), ExitStack()
        if formgrader is None or formgrader.closed:
            why = NotSent("The course is no longer served.")
            queued = [item for item in job.items if item.state is State.QUEUED]
            await self._finish(job, queued, Outcome(State.FAILED, (str(why),), not_sent=why))
            return
        held.enter_context(formgrader.job())
        self._formgraders[job] = formgrader, held
        self._settle(job)
        self._pump()

    def find(self, wanted: Wanted) -> tuple[Job, Item] | None:
        """The running or queued item for this request, the running one first."""
        found = [
            (job, item)
            for job in self.jobs
            if (job.action, job.assignment) == (wanted.action, wanted.assignment)
            for item in job.items
            if item.student == wanted.student and not item.state.ended
        ]
        found.sort(key=lambda one: one[1].state is not State.RUNNING)
        return found[0] if found else None

    def waiter(self, item: Item) -> asyncio.Future[Outcome]:
        """The outcome of an item that has not ended. The item becomes the next one of its job."""
        item.urgent = True
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(item, []).append(future)
        return future

    async def cancel(self, job: Job, by: str, *, now: bool) -> None:
        """Send no further request of a job. With ``now`` those that were sent are stopped, too."""
        job.cancelled_by = job.cancelled_by or by
        self._touch(job)
        for item in job.items:
            run = self._runs.get(item)
            if run is not None and run.upstream is None:
                run.task.cancel()
        queued = [item for item in job.items if item.state is State.QUEUED]
        await self._finish(job, queued, _cancelled(job))
        if now and job in self._formgraders:
            formgrader, _ = self._formgraders[job]
            runs = (self._runs[item] for item in job.items if item in self._runs)
            sent = [run.upstream for run in runs if run.upstream is not None]
            await asyncio.gather(*(formgrader.interrupt(upstream) for upstream in sent))

    async def close(self) -> None:
        """Interrupt everything, because the service stops."""
        self._closed = True
        for run in self._runs.values():
            run.task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in list(self.jobs):
            queued = [item for item in job.items if item.state is State.QUEUED]
            await self._finish(job, queued, Outcome(State.INTERRUPTED))

    # -- running

    def _pump(self) -> None:
        """Start as many items as may run now."""
        while not self._closed:
            chosen = choose(self.jobs)
            if chosen is None:
                return
            formgrader, _ = self._formgraders[chosen[0]]
            if len(self._runs) >= formgrader.job_concurrency:
                return
            self._start(*chosen)

    def _start(self, job: Job, item: Item) -> None:
        self.jobs.remove(job)
        self.jobs.append(job)
        item.state = State.RUNNING
        if job.state is State.QUEUED:
            self._enter(job, State.RUNNING)
            job.started_at = self._now()
        self._touch(job, item)
        task = asyncio.create_task(self._run(job, item), name=f"job {job.id}")
        self._runs[item] = _Run(task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job: Job, item: Item) -> None:
        outcome = await self._attempt(job, item, self._runs[item])
        del self._runs[item]
        ended = [item]
        if outcome.not_sent is not None:  # the others would wait as long, and in vain
            ended += [other for other in job.items if other.state is State.QUEUED]
        await self._finish(job, ended, outcome)

    async def _attempt(self, job: Job, item: Item, run: _Run) -> Outcome:
        def sent(upstream: Upstream) -> None:
            run.upstream = upstream
            item.started_at = self._now()
            self._touch(job, item)

        formgrader, _ = self._formgraders[job]
        busy = partial(self._others, run)
        try:
            outcome = await attempt(job, item, formgrader, self._records, sent, busy)
        except asyncio.CancelledError:
            return Outcome(State.INTERRUPTED) if self._closed else _cancelled(job)
        except Exception:
            log.exception("course %s: job %d", job.course, job.id)
            return Outcome(State.FAILED, ("An internal error occurred. It was logged.",))
        if job.cancelled_by and run.upstream is not None and outcome.reply is None:
            return Outcome(State.CANCELLED, (f"Stopped by {job.cancelled_by}.",))
        return outcome

    async def _finish(self, job: Job, ended: Collection[Item], outcome: Outcome) -> None:
        """These items have ended: record it, and answer those who wait for them."""
        for item in ended:
            item.state, item.lines, item.ended_at = outcome.state, outcome.lines, self._now()
            self._on_item(item.state)
        self._touch(job, *ended)
        self._settle(job)
        try:
            # Before the next request: what is not written yet does not pile up.
            await self._records.recorder.write()
        finally:
            self._pump()
            for future in (one for item in ended for one in self._waiting.pop(item, ())):
                if not future.done():
                    future.set_result(outcome)

    def _settle(self, job: Job) -> None:
        """End a job whose items have all ended."""
        if job in self.jobs and all(item.state.ended for item in job.items):
            self.jobs.remove(job)
            self._enter(job, end_of(job))
            job.ended_at = self._now()
            self._touch(job)
            self.recent = [job, *self.recent][:RECENT]
            self._on_job(job.state, None)
            if held := self._formgraders.pop(job, None):
                held[1].close()

    def _others(self, run: _Run) -> bool:
        return any(one is not run and one.upstream is not None for one in self._runs.values())

    def _enter(self, job: Job, state: State) -> None:
        old, job.state = job.state, state
        self._on_job(old, state)

    def _touch(self, job: Job, *items: Item) -> None:
        self.version += 1
        for item in items:
            item.version = self.version
        self._records.recorder.changed(job, *items)

    def _now(self) -> datetime:
        return self._records.clock.now()


def end_of(job: Job) -> State:
    """The state of a job whose items have all ended."""
    states = {item.state for item in job.items}
    if State.INTERRUPTED in states:
        return State.INTERRUPTED
    if job.cancelled_by and State.CANCELLED in states:
        return State.CANCELLED
    return State.FAILED if State.FAILED in states else State.DONE


def _cancelled(job: Job) -> Outcome:
    return Outcome(State.CANCELLED, (f"Cancelled by {job.cancelled_by}.",))
