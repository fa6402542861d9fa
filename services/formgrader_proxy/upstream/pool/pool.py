"""The processes of a course: some for pages, some for jobs.

nbgrader's formgrader handles one request at a time. With several processes, nobody waits for the
request of somebody else, and a job delays no page. All of them share one gradebook and directory.

Each process has its own :class:`Supervisor`: one that crashes, is stuck or is interrupted takes
only its own requests with it. The first process for pages runs until the course is idle. The
others are started when the running ones have more to do than they can, and stop soon afterwards.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain

from services.formgrader_proxy.course_check.findings import Finding
from services.formgrader_proxy.upstream.endpoint import Upstream, Work
from services.formgrader_proxy.upstream.pool.balance import MOMENT, least_busy, overloaded
from services.formgrader_proxy.upstream.pool.changes import Changes
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import LOG_LINES, State, Supervisor

#: A process that is not the first one is stopped if it has had nothing to do for this long.
SURPLUS_SECONDS = 60.0
#: A process that was chosen for a job is reserved for this long until the job is sent.
PROMISE_SECONDS = 10.0
#: A request that has waited for a free process for this long goes to a busy one.
TURN_SECONDS = 30.0
#: When processes are drained, a page may take this long. Jobs have no limit.
PAGE_SECONDS = 600.0

#: A process of this kind has started to serve (1) or no longer does (-1).
OnProcess = Callable[[Work, int], None]


@dataclass(frozen=True)
class Sizes:
    """How many processes a course may have, and its idle timeout (0: never idle)."""

    workers: int = 1
    job_workers: int = 1
    idle_seconds: float = 1800.0


class Pool:
    """The processes with one set of launch settings.

    ``changes`` is notified when a request may find another answer than before.
    """

    def __init__(
        self,
        settings: LaunchSettings,
        sizes: Sizes,
        changes: Changes,
        *,
        on_change: Callable[[], None] = lambda: None,
        on_process: OnProcess = lambda work, change: None,
    ) -> None:
        """``on_change`` is called when :attr:`state` may have changed."""
        self.settings = settings
        self._sizes = sizes
        self._changes = changes
        self._on_change = on_change
        self._on_process = on_process
        self._processes: dict[Work, list[Supervisor]] = {work: [] for work in Work}
        #: Processes for jobs that were returned by :meth:`ready`, until when they are reserved.
        self._promised: dict[Supervisor, float] = {}
        self._log: deque[tuple[str, str]] = deque(maxlen=LOG_LINES)
        self._closed = False
        self.resize(sizes)

    def resize(self, sizes: Sizes) -> None:
        """Use other numbers of processes, and another idle timeout, without ending anything.

        Processes beyond the numbers get no further requests, and stop when they are idle.
        """
        self._sizes = sizes
        surplus = min(SURPLUS_SECONDS, sizes.idle_seconds or SURPLUS_SECONDS)
        for work, count in ((Work.PAGES, sizes.workers), (Work.JOBS, sizes.job_workers)):
            processes = self._processes[work]
            while len(processes) < count:
                processes.append(self._new(work, len(processes) + 1))
            for process in processes:
                process.idle_seconds = surplus
        self._first.idle_seconds = sizes.idle_seconds
        self._changes.notify()

    @property
    def job_concurrency(self) -> int:
        """How many requests of jobs it handles at the same time."""
        return self._sizes.job_workers

    @property
    def ended(self) -> bool:
        """Whether there is no process."""
        return all(one.ended for one in self._every)

    @property
    def has_jobs(self) -> bool:
        """Whether there is a process for jobs, which may have one or get one."""
        return not all(one.ended for one in self._processes[Work.JOBS])

    @property
    def state(self) -> State:
        """The state of the course: running if any process can show a page or has a job.

        Otherwise it is the state of the first process.
        """
        jobs = self._processes[Work.JOBS]
        if self.serves(Work.PAGES):
            return State.RUNNING
        ending = self._first.state in {State.STOPPING, State.STOPPED}
        if ending and any(one.upstream is not None for one in jobs):
            return State.RUNNING
        return self._first.state

    @property
    def trouble(self) -> str | None:
        """Why no page can be shown; None while one can, or if nothing has failed."""
        return None if self.serves(Work.PAGES) else self._first.trouble

    @property
    def job_trouble(self) -> str | None:
        """Why no process for jobs runs, although pages may be shown; None if nothing failed."""
        if self.serves(Work.JOBS):
            return None
        return next((one.trouble for one in self._usable(Work.JOBS) if one.trouble), self.trouble)

    @property
    def finding(self) -> Finding | None:
        """What is wrong with the course itself, if that is the trouble."""
        return None if self.serves(Work.PAGES) else self._first.finding

    @property
    def starting_for(self) -> float:
        """Seconds since the first process was started; zero unless it is starting."""
        return self._first.starting_for

    @property
    def paused_for(self) -> float:
        """Seconds until the first process may be started again."""
        return self._first.paused_for

    def log_tail(self) -> list[str]:
        """The last lines that the processes printed, with their names if there are several."""
        if len({name for name, _ in self._log}) < 2:
            return [line for _, line in self._log]
        return [f"{name}: {line}" for name, line in self._log]

    def serves(self, work: Work) -> bool:
        """Whether a process for this work is running, without starting one."""
        return any(one.upstream is not None for one in self._usable(work))

    def ready(self, work: Work) -> Upstream | None:
        """The process for a request that cannot wait; None while there is none.

        For a page it may be busy with others, for a job it never is. If all are busy, another
        process is started, unless there are enough or it has to wait for its next start.
        """
        if self._closed:
            return None
        running = [one for one in self._usable(work) if one.upstream is not None]
        if work is Work.JOBS:
            return self._promise([one for one in running if self._free(one)])
        self._first.touch()
        loads = [one.load for one in running]
        if self._first.upstream is None:
            self._first.start()
        elif overloaded(loads):
            self._start_another(work)
        return running[least_busy(loads)].ready() if running else None

    def turn(self, work: Work, waited: float) -> Upstream | None:
        """The process for a request that has waited for this many seconds; None: wait longer.

        Requests wait here and not in a process, so that the first one that is free gets them.
        """
        upstream = self.ready(work)
        if upstream is None or work is Work.JOBS or waited > TURN_SECONDS:
            return upstream
        process = self._process_of(upstream)
        if process is None or not process.load.requests:
            return upstream
        if waited > MOMENT:
            self._start_another(work)
        return None

    def pause(self, work: Work) -> float:
        """Seconds after which :meth:`turn` may find another answer even if nothing changes."""
        if work is Work.PAGES and self.serves(work):
            return MOMENT
        pauses = [one.paused_for for one in self._usable(work)]
        now = asyncio.get_running_loop().time()
        pauses += [until - now for until in self._promised.values()]
        return min((one for one in pauses if one > 0), default=TURN_SECONDS)

    def runs(self, upstream: Upstream) -> bool:
        """Whether ``upstream`` is a running process of this pool."""
        return self._process_of(upstream) is not None

    @contextmanager
    def in_use(self, upstream: Upstream) -> Iterator[None]:
        """``upstream`` is handling a request: it is not idle, however long that takes."""
        process = self._process_of(upstream)
        if process is None:  # it has ended meanwhile
            yield
            return
        self._promised.pop(process, None)
        try:
            with process.in_use():
                yield
        finally:
            self._changes.notify()

    async def interrupt(self, upstream: Upstream) -> None:
        """Stop the process of ``upstream``, with what it is doing, within 11 s."""
        if process := self._process_of(upstream):
            await process.stop()

    async def drain(self) -> None:
        """Start nothing more, and end each process when its requests have ended.

        There is no limit for jobs; their supervisors end those that are stuck. Pages have ten
        minutes, so that a client that does not read its response delays nothing for ever.
        """
        self._close()
        jobs = (one.drain() for one in self._processes[Work.JOBS])
        await asyncio.gather(self._drain_pages(), *jobs)

    async def stop(self) -> None:
        """Stop every process now, for good. Takes 11 s at most."""
        self._close()
        await asyncio.gather(*(one.stop() for one in self._every))

    def _close(self) -> None:
        self._closed = True
        self._changes.notify()

    async def _drain_pages(self) -> None:
        pages = self._processes[Work.PAGES]
        with suppress(TimeoutError):
            async with asyncio.timeout(PAGE_SECONDS):
                await asyncio.gather(*(one.drain() for one in pages))
        await asyncio.gather(*(one.stop() for one in pages))

    @property
    def _first(self) -> Supervisor:
        return self._processes[Work.PAGES][0]

    @property
    def _every(self) -> Iterator[Supervisor]:
        return chain.from_iterable(self._processes.values())

    def _usable(self, work: Work) -> Sequence[Supervisor]:
        """The processes that get requests, running or not."""
        sizes = self._sizes
        count = sizes.workers if work is Work.PAGES else sizes.job_workers
        return self._processes[work][:count]

    def _process_of(self, upstream: Upstream) -> Supervisor | None:
        return next((one for one in self._every if one.upstream is upstream), None)

    def _free(self, process: Supervisor) -> bool:
        """Whether a process for jobs has none, and is not about to get one."""
        promised = self._promised.get(process, 0.0)
        return not process.load.requests and promised <= asyncio.get_running_loop().time()

    def _promise(self, free: Sequence[Supervisor]) -> Upstream | None:
        """A free process for a job, which no other job gets for a while; or start one."""
        if not free:
            self._start_another(Work.JOBS)
            return None
        self._promised[free[0]] = asyncio.get_running_loop().time() + PROMISE_SECONDS
        return free[0].ready()

    def _start_another(self, work: Work) -> None:
        """Start one more process, unless one is starting already."""
        usable = self._usable(work)
        if not any(one.state is State.STARTING for one in usable):
            for one in usable:
                if one.startable:
                    one.start()
                    return
            for one in usable:
                one.start()  # those that pause see whether the course has been corrected

    def _new(self, work: Work, number: int) -> Supervisor:
        name = f"{work.value} {number}"
        return Supervisor(
            self.settings,
            on_state=partial(self._process_changed, work),
            on_line=lambda line: self._log.append((name, line)),
        )

    def _process_changed(self, work: Work, old: State, new: State) -> None:
        if (old is State.RUNNING) is not (new is State.RUNNING):
            self._on_process(work, 1 if new is State.RUNNING else -1)
        self._on_change()
        self._changes.notify()
