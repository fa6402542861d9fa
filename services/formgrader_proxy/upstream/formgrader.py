"""One course and its formgrader, which stays the same while the course's settings change."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from services.formgrader_proxy.course_check.findings import Finding
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable, Work
from services.formgrader_proxy.upstream.external import External
from services.formgrader_proxy.upstream.pool.changes import Changes
from services.formgrader_proxy.upstream.pool.draining import Draining
from services.formgrader_proxy.upstream.pool.pool import OnProcess, Pool, Sizes
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.supervisor import State

log = logging.getLogger("formgrader")

#: A managed formgrader goes from one state to another; None before it exists and afterwards.
OnState = Callable[[State | None, State | None], None]


class Formgrader:
    """One course and its formgrader. ``pool`` is None if it runs elsewhere.

    ``course`` is replaced when the courses file changes: read it for each request, and do not keep
    it.
    """

    def __init__(
        self,
        course: Course,
        base_url: str,
        changes: Changes,
        draining: Draining,
        *,
        on_state: OnState = lambda old, new: None,
        on_process: OnProcess = lambda work, change: None,
    ) -> None:
        """``changes`` and ``draining`` are those of all formgraders."""
        self.course = course
        self.base_url = base_url
        self._changes = changes
        self._draining = draining
        self._on_state = on_state
        self._on_process = on_process
        self._state: State | None = None
        self._closed = False
        self._stopped = False
        self._open_jobs = 0
        self._how = how_it_runs(course, base_url)
        self._runner = self._run()
        self._report()

    @property
    def pool(self) -> Pool | None:
        """The processes, if this service runs them."""
        return self._runner if isinstance(self._runner, Pool) else None

    @property
    def closed(self) -> bool:
        """Whether the course is no longer in the courses file."""
        return self._closed

    @property
    def state(self) -> str:
        """The state as the list of courses shows it."""
        return "elsewhere" if self.pool is None else self.pool.state.value

    @property
    def trouble(self) -> str | None:
        """Why a managed formgrader cannot show a page; None if nothing is known to be wrong."""
        return None if self.pool is None else self.pool.trouble

    @property
    def job_trouble(self) -> str | None:
        """Why a managed formgrader cannot run a job; None if nothing is known to be wrong."""
        return None if self.pool is None else self.pool.job_trouble

    @property
    def finding(self) -> Finding | None:
        """What is wrong with the course itself, if that is the trouble."""
        return None if self.pool is None else self.pool.finding

    @property
    def job_concurrency(self) -> int:
        """How many requests of :attr:`Work.JOBS` it handles at the same time."""
        return self._runner.job_concurrency

    def ready(self, work: Work = Work.PAGES) -> Upstream | None:
        """Where to send a request now; None while a managed formgrader is not running.

        In that case it is started, unless it has to wait for its next start. A process for jobs is
        reserved for ten seconds; enter :meth:`in_use` by then. Jobs wait until those with previous
        settings of the course have ended.

        :raises UpstreamUnreachable: the token file of an external one cannot be read, or the course
            is no longer served
        """
        return self._runner.ready(work) if self._admits(work) else None

    async def until_ready(self, work: Work, seconds: float) -> Upstream | None:
        """Wait for a process that has nothing else to do. None: none runs within this time.

        After half a minute, a request for a page gets a process that is busy.

        :raises UpstreamUnreachable: as :meth:`ready`
        """
        clock = asyncio.get_running_loop()
        since = clock.time()
        deadline = since + seconds
        while (now := clock.time()) < deadline:
            if not self._runner.serves(work):  # the time of a start does not count
                since = now
            upstream = self._runner.turn(work, now - since) if self._admits(work) else None
            if upstream is not None:
                return upstream
            await self._changes.wait(min(deadline - now, self._runner.pause(work)))
        return self.ready(work)

    @property
    def busy(self) -> bool:
        """Whether it runs, but a page would have to wait for another request."""
        serves = not self._closed and self._runner.serves(Work.PAGES)
        return serves and self._runner.turn(Work.PAGES, 0.0) is None

    def _admits(self, work: Work) -> bool:
        """Whether requests may be sent. :raises UpstreamUnreachable: never again"""
        job_is_open = work is Work.JOBS and self._open_jobs and not self._stopped
        if self._closed and not job_is_open:
            raise UpstreamUnreachable("the course is no longer served")
        if work is Work.PAGES or self.pool is None:
            return True
        return not self._draining.delays_jobs_of(self.pool)

    def in_use(self, upstream: Upstream) -> AbstractContextManager[None]:
        """``upstream`` is handling a request: it is not idle, however long that takes."""
        owner = self._owner(upstream)
        return nullcontext() if owner is None else owner.in_use(upstream)

    @contextmanager
    def job(self) -> Iterator[None]:
        """A job that consists of several requests is running.

        If the course is removed from the courses file, these requests are still sent.

        :raises UpstreamUnreachable: the course is no longer served
        """
        if self._closed:
            raise UpstreamUnreachable("the course is no longer served")
        self._open_jobs += 1
        try:
            yield
        finally:
            self._open_jobs -= 1
            self._changes.notify()

    async def interrupt(self, upstream: Upstream) -> None:
        """Stop the process of ``upstream``, with what it is doing. An external one goes on."""
        if owner := self._owner(upstream):
            await owner.interrupt(upstream)

    def update(self, course: Course) -> None:
        """Use these settings of the course from now on.

        If they change how its processes run, new requests go to new processes, and the previous
        ones end after their running work. Otherwise the processes stay.
        """
        self.course = course
        previous, self._how = self._how, how_it_runs(course, self.base_url)
        if self._how == previous:
            if self.pool is not None:
                self.pool.resize(sizes(course))
            return
        log.info("course %s: its previous processes end after their running work", course.id)
        self._draining.begin(self._runner)
        self._runner = self._run()
        self._report()

    async def retire(self) -> None:
        """The course is no longer served: refuse requests, and end after the running work."""
        self._closed = True
        self._changes.notify()
        if self._open_jobs or not self._runner.ended:
            await self._draining.begin(self._runner, self._until_no_job)
        self._report()

    async def stop(self) -> None:
        """Stop now, with all running work, for good. Takes 11 s at most."""
        self._closed = self._stopped = True
        await self._runner.stop()
        self._report()

    def _run(self) -> Pool | External:
        if isinstance(self._how, tuple):
            url, token_file = self._how
            return External(url, token_file, self._changes)
        return Pool(
            self._how,
            sizes(self.course),
            self._changes,
            on_change=self._report,
            on_process=self._on_process,
        )

    def _owner(self, upstream: Upstream) -> Pool | External | None:
        if self._runner.runs(upstream):
            return self._runner
        return self._draining.owner(upstream)

    async def _until_no_job(self) -> None:
        while self._open_jobs and not self._stopped:
            await self._changes.wait()

    def _report(self) -> None:
        """Report a new state, as long as the course is served or its work is running."""
        old, new = self._state, self.pool.state if self.pool else None
        if self._closed and self._runner.ended:
            new = None
        if new is not old:
            self._state = new
            self._on_state(old, new)


def how_it_runs(course: Course, base_url: str) -> LaunchSettings | tuple[str, Path | None]:
    """The settings that a process has from its start, or the address and token file elsewhere."""
    if course.directory is None:
        assert course.url is not None  # noqa: S101 - a course has a directory or a url
        return course.url, course.token_file
    return LaunchSettings(
        course_id=course.id,
        directory=course.directory,
        base_url=base_url,
        user=course.user,
        db_url_file=course.db_url_file,
        db_url_version=course.db_url_version,
        autograding=course.autograding,
    )


def sizes(course: Course) -> Sizes:
    """The settings that apply to running processes."""
    return Sizes(course.workers, course.job_workers, course.idle_seconds)
