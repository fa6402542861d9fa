"""The courses in force and their formgraders."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from services.formgrader_proxy.courses import Course, Mode
from services.formgrader_proxy.proxy.forward_http import Upstream
from services.formgrader_proxy.upstream.supervisor import ManagedSettings, ManagedUpstream, State

log = logging.getLogger(__name__)

OnState = Callable[[str, State, State], None]


class Formgrader:
    """One course and its formgrader, ours or another's."""

    def __init__(self, course: Course, base_url: str, on_state: OnState) -> None:
        self.course = course
        self.base_url = base_url
        self.managed: ManagedUpstream | None = None
        self._fixed: Upstream | None = None
        if course.managed:
            self.managed = ManagedUpstream(
                managed_settings(course, base_url),
                on_state=lambda old, new: on_state(course.id, old, new),
            )

    def ready(self) -> Upstream | None:
        """Where to send a request; None while our own is not running (a start is begun)."""
        if self.managed is not None:
            return self.managed.ready()
        if self._fixed is None:
            self._fixed = _fixed_upstream(self.course)
        return self._fixed

    @property
    def state(self) -> str:
        """A word for the list of courses."""
        return self.managed.state.value if self.managed else "elsewhere"

    async def close(self) -> None:
        """Stop what is ours, and close connections."""
        if self.managed is not None:
            await self.managed.stop()
        if self._fixed is not None:
            await self._fixed.close()


class Courses:
    """The formgraders by course id; :meth:`change` brings them in line with the file."""

    def __init__(self, base_url_of: Callable[[str], str], on_state: OnState) -> None:
        self._base_url_of = base_url_of
        self._on_state = on_state
        self._formgraders: dict[str, Formgrader] = {}

    def get(self, course_id: str) -> Formgrader | None:
        """The formgrader of a course, None where there is no such course."""
        return self._formgraders.get(course_id)

    def all(self) -> Iterable[Formgrader]:
        """Every course, by id."""
        return [self._formgraders[course_id] for course_id in sorted(self._formgraders)]

    async def change(self, courses: Mapping[str, Course]) -> None:
        """Add, remove and replace; a course that stays as it was keeps its formgrader."""
        old = self._formgraders
        kept = {
            course_id: formgrader
            for course_id, formgrader in old.items()
            if courses.get(course_id) == formgrader.course
        }
        new = {
            course_id: Formgrader(course, self._base_url_of(course_id), self._on_state)
            for course_id, course in courses.items()
            if course_id not in kept
        }
        # First out of sight, then stopped: nobody is sent to one that is on its way out.
        self._formgraders = kept | new
        for course in (formgrader.course for formgrader in new.values()):
            log.info("course %s is served", course.id)
            if course.managed and course.user is None and may_run_as_others():
                log.warning(
                    "course %s: its formgrader, and so students' code, runs as root;"
                    ' give the course an account of its own: user = "NAME"',
                    course.id,
                )
            if course.mode is Mode.FULL:
                log.warning(
                    'course %s has mode = "full": graders reach everything that its formgrader'
                    " serves, files and gradebook included; the audit knows what they change"
                    ' there only as "other"',
                    course.id,
                )
        gone = [formgrader for course_id, formgrader in old.items() if course_id not in kept]
        for formgrader in gone:
            if formgrader.course.id not in new:
                log.info("course %s is no longer served", formgrader.course.id)
        await asyncio.gather(*(formgrader.close() for formgrader in gone))

    async def close(self) -> None:
        """Stop everything."""
        await self.change({})


def managed_settings(course: Course, base_url: str) -> ManagedSettings:
    """How to run a course's own formgrader. :raises OSError: a secret's file is unreadable"""
    assert course.directory is not None  # noqa: S101 - only for managed ones
    return ManagedSettings(
        course_id=course.id,
        directory=course.directory,
        base_url=base_url,
        user=course.user,
        db_url=_secret(course.db_url_file),
        idle_seconds=course.idle_seconds,
    )


def _fixed_upstream(course: Course) -> Upstream:
    assert course.url is not None  # noqa: S101 - a course has a directory or a url
    return Upstream.at(course.url, _secret(course.token_file))


def _secret(path: Path | None) -> str | None:
    return None if path is None else path.read_text(encoding="utf-8").strip()


def may_run_as_others() -> bool:
    """Whether we run as root."""
    return os.geteuid() == 0
