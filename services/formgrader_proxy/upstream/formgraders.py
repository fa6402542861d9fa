"""The formgraders of all courses, kept in line with the courses file."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from common.config.settings_file import Reload
from services.formgrader_proxy.access import Mode
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.courses_file.file import CoursesFile
from services.formgrader_proxy.upstream.formgrader import Formgrader, OnState
from services.formgrader_proxy.upstream.pool.changes import Changes
from services.formgrader_proxy.upstream.pool.draining import Draining
from services.formgrader_proxy.upstream.pool.pool import OnProcess
from services.formgrader_proxy.upstream.process.process import may_switch_user

log = logging.getLogger("formgrader")

#: Seconds that a page waits for the courses file.
RELOAD_SECONDS = 2.0


class Formgraders:
    """The formgraders by course id."""

    def __init__(
        self,
        file: CoursesFile,
        base_url_of: Callable[[str], str],
        on_state: OnState,
        on_process: OnProcess = lambda work, change: None,
        on_loaded: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Empty at first; :meth:`begin` and :meth:`refresh` fill it.

        ``on_loaded`` is called after each change of the courses file that is served.
        """
        self._file = file
        self._base_url_of = base_url_of
        self._on_loaded = on_loaded
        changes = Changes()
        self._draining = Draining(changes)
        self._new = partial(
            Formgrader,
            changes=changes,
            draining=self._draining,
            on_state=on_state,
            on_process=on_process,
        )
        self._formgraders: dict[str, Formgrader] = {}
        self._reloading: asyncio.Task[None] | None = None
        self._logged: set[str] = set()
        #: Formgraders that are no longer served, until their running work has ended.
        self._retiring: dict[Formgrader, asyncio.Task[None]] = {}

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

    @property
    def folder_problems(self) -> Sequence[str]:
        """Why folders are no courses, where the courses file covers folders."""
        return self._file.folder_problems

    async def begin(self) -> None:
        """Serve the courses of the file as it was read at the start."""
        if self._file.problems:
            self._log_refusal()
        await self.replace(self._file.courses)

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
            self._log_refusal()
        elif outcome is Reload.LOADED:
            await self.replace(self._file.courses)
            if self._on_loaded is not None:
                await self._on_loaded()
        self._log_folder_problems()

    def _log_refusal(self) -> None:
        log.error("The courses file is invalid; the previous courses stay in use:")
        for problem in self._file.problems:
            log.error("  %s", problem)

    def _log_folder_problems(self) -> None:
        """Each problem once, until it is solved."""
        current = set(self._file.folder_problems)
        for problem in sorted(current - self._logged):
            log.warning("%s", problem)
        self._logged = current

    async def replace(self, courses: Mapping[str, Course]) -> None:
        """Serve these courses only.

        A course that is already served keeps its formgrader, with its new settings. Those that are
        no longer served get no further requests and end in the background, after their running
        work.
        """
        old, self._formgraders = self._formgraders, {}
        for course_id, course in courses.items():
            formgrader = old.pop(course_id, None)
            if formgrader is None:
                log.info("course %s is served", course_id)
                _warn(course)
                formgrader = self._new(course, self._base_url_of(course_id))
            elif formgrader.course != course:
                log.info("course %s has new settings", course_id)
                _warn(course)
                formgrader.update(course)
            self._formgraders[course_id] = formgrader
        for formgrader in old.values():
            log.info("course %s is no longer served", formgrader.course.id)
            self._retiring[formgrader] = asyncio.create_task(self._retire(formgrader))
        if self._retiring:  # those without a process end at once
            await asyncio.wait(self._retiring.values(), timeout=0)

    async def _retire(self, formgrader: Formgrader) -> None:
        try:
            await formgrader.retire()
        finally:
            self._retiring.pop(formgrader, None)

    async def close(self) -> None:
        """Stop everything, with all running work, within about 11 s."""
        if self._reloading is not None:
            self._reloading.cancel()
        served, self._formgraders = self._formgraders, {}
        everything = (*served.values(), *self._retiring)
        await asyncio.gather(*(one.stop() for one in everything), self._draining.stop())
        await asyncio.gather(*self._retiring.values(), return_exceptions=True)


def _warn(course: Course) -> None:
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
