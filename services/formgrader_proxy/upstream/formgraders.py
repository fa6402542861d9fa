"""The formgraders of all courses, kept in line with the courses file."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from common.config.settings_file import Reload
from services.formgrader_proxy.access import Mode
from services.formgrader_proxy.courses import Course, CoursesFile
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable, Work
from services.formgrader_proxy.upstream.launch import LaunchSettings, read_secret
from services.formgrader_proxy.upstream.process import may_switch_user
from services.formgrader_proxy.upstream.supervisor import State, Supervisor

log = logging.getLogger("formgrader")

#: Seconds that a page waits for the courses file.
RELOAD_SECONDS = 2.0

#: A managed formgrader goes from one state to another; None before it exists and afterwards.
OnState = Callable[[State | None, State | None], None]


class Formgrader:
    """One course and its formgrader. ``supervisor`` is None if it runs elsewhere."""

    def __init__(self, course: Course, base_url: str, on_state: OnState) -> None:
        self.course = course
        self.base_url = base_url
        self.supervisor: Supervisor | None = None
        self._on_state = on_state
        self._external: Upstream | None = None
        self._closed = False
        if course.directory is not None:
            settings = LaunchSettings(
                course_id=course.id,
                directory=course.directory,
                base_url=base_url,
                user=course.user,
                db_url_file=course.db_url_file,
                autograding=course.autograding,
            )
            self.supervisor = Supervisor(
                settings, idle_seconds=course.idle_seconds, on_state=on_state
            )
            on_state(None, self.supervisor.state)

    def ready(self, work: Work = Work.PAGES) -> Upstream | None:
        """Where to send a request; None while a managed formgrader is not running.

        In that case it is started, unless it has to wait for its next start.

        :raises UpstreamUnreachable: the token file of an external one cannot be read, or the course
            is no longer served
        """
        if self._closed:  # while the request waited for something else
            raise UpstreamUnreachable("the course is no longer served in this way")
        if self.supervisor is not None:
            return self.supervisor.ready()
        if self._external is None:
            assert self.course.url is not None  # noqa: S101 - a course has a directory or a url
            try:
                token = read_secret(self.course.token_file)
            except (OSError, ValueError) as error:
                raise UpstreamUnreachable(f"the token file cannot be read: {error}") from error
            self._external = Upstream.at(self.course.url, token)
        return self._external

    async def until_ready(self, work: Work, seconds: float) -> Upstream | None:
        """Wait for :meth:`ready`. None: the formgrader does not run within this time.

        :raises UpstreamUnreachable: as :meth:`ready`
        """
        upstream = self.ready(work)
        if upstream is None and self.supervisor is not None:
            await self.supervisor.until_running(seconds)
            return self.ready(work)
        return upstream

    def in_use(self, upstream: Upstream) -> AbstractContextManager[None]:
        """``upstream`` is handling a request: it is not idle, however long that takes."""
        return self.supervisor.in_use() if self.supervisor is not None else nullcontext()

    @property
    def job_concurrency(self) -> int:
        """How many requests of :attr:`Work.JOBS` it handles at the same time."""
        return 1

    async def interrupt(self, upstream: Upstream) -> None:
        """Stop the process of ``upstream``, with what it is doing. An external one goes on."""
        if self.supervisor is not None:
            await self.supervisor.stop()

    @property
    def state(self) -> str:
        """The state as the list of courses shows it."""
        return self.supervisor.state.value if self.supervisor else "elsewhere"

    async def close(self) -> None:
        """Stop the formgrader if it is managed, and close the connections, for good."""
        self._closed = True
        if self.supervisor is not None:
            await self.supervisor.stop()
            self._on_state(self.supervisor.state, None)
        if self._external is not None:
            await self._external.close()


class Formgraders:
    """The formgraders by course id."""

    def __init__(
        self, file: CoursesFile, base_url_of: Callable[[str], str], on_state: OnState
    ) -> None:
        """Empty at first; :meth:`replace` and :meth:`refresh` fill it."""
        self._file = file
        self._base_url_of = base_url_of
        self._on_state = on_state
        self._formgraders: dict[str, Formgrader] = {}
        self._reloading: asyncio.Task[None] | None = None
        #: Formgraders that are no longer served and still have to end.
        self._closing: set[asyncio.Task[None]] = set()

    def get(self, course_id: str) -> Formgrader | None:
        """The formgrader of a course; None if there is no such course."""
        return self._formgraders.get(course_id)

    def all(self) -> Sequence[Formgrader]:
        """Every formgrader, sorted by course id."""
        return [self._formgraders[course_id] for course_id in sorted(self._formgraders)]

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with the courses file; empty if its courses are the current ones."""
        return self._file.problems

    async def refresh(self) -> None:
        """Read the courses file again, and use its courses if they changed.

        If reading takes long, as on a file server that does not respond, it goes on in the
        background, and the previous courses stay in use.
        """
        earlier = self._reloading
        if earlier is not None:  # it may have read the file before the latest change
            await asyncio.wait({earlier}, timeout=RELOAD_SECONDS)
            if not earlier.done():
                return
        if self._reloading is earlier:
            self._reloading = asyncio.create_task(self._reload())
        latest = self._reloading
        assert latest is not None  # noqa: S101 - by this or by another call
        await asyncio.wait({latest}, timeout=RELOAD_SECONDS)
        if latest.done():
            latest.result()

    async def _reload(self) -> None:
        outcome = await asyncio.to_thread(self._file.reload_if_changed)
        if outcome is Reload.REFUSED:
            log.error("The courses file is invalid; the previous courses stay in use:")
            for problem in self._file.problems:
                log.error("  %s", problem)
        elif outcome is Reload.LOADED:
            await self.replace(self._file.courses)

    async def replace(self, courses: Mapping[str, Course]) -> None:
        """Serve these courses only. Those that did not change keep their formgrader.

        The others are stopped in the background, so that none of them delays the rest.
        """
        old = self._formgraders
        unchanged = {
            course_id: formgrader
            for course_id, formgrader in old.items()
            if courses.get(course_id) == formgrader.course
        }
        new = {
            course_id: Formgrader(course, self._base_url_of(course_id), self._on_state)
            for course_id, course in courses.items()
            if course_id not in unchanged
        }
        # Hidden first and stopped afterwards, so that no request goes to one that is stopping.
        self._formgraders = unchanged | new
        for formgrader in new.values():
            _announce(formgrader.course)
        removed = [one for course_id, one in old.items() if course_id not in unchanged]
        for formgrader in removed:
            if formgrader.course.id not in new:
                log.info("course %s is no longer served", formgrader.course.id)
            closing = asyncio.create_task(formgrader.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        if self._closing:  # those that do not run close at once
            await asyncio.wait(self._closing, timeout=0)

    async def close(self) -> None:
        """Stop everything, within about 11 s."""
        if self._reloading is not None:
            self._reloading.cancel()
        await self.replace({})
        await asyncio.gather(*self._closing, return_exceptions=True)


def _announce(course: Course) -> None:
    log.info("course %s is served", course.id)
    if course.managed and course.user is None and may_switch_user():
        log.warning(
            "course %s: its formgrader runs as root, and so does the students' code that it"
            ' autogrades; give the course its own system account: user = "NAME"',
            course.id,
        )
    if course.managed and not course.autograding.isolated:
        log.warning(
            'course %s has sandbox = "none": the code of submissions runs without isolation and can'
            " read and change all grades",
            course.id,
        )
    if course.mode is Mode.FULL:
        log.warning(
            'course %s has mode = "full": graders can reach everything that its formgrader serves,'
            " including files and the gradebook; the audit log records changes outside nbgrader's"
            ' own pages only as "other"',
            course.id,
        )
