"""What is left to grade in each course, as its formgrader last reported it.

A formgrader that does not run is not started for this, and one that is busy is not waited for: the
previous figures then stay, with their time. Figures that were never reported are unknown.
"""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import aiohttp
import msgspec

from common.clock import Clock
from services.formgrader_proxy.export.grades import AssignmentWork
from services.formgrader_proxy.upstream.endpoint import (
    Upstream,
    UpstreamUnreachable,
    Work,
    read_completely,
)
from services.formgrader_proxy.upstream.formgrader import Formgrader

#: The list of courses waits no longer than this for formgraders that are busy, all together.
COUNT_SECONDS = 2.0
#: A formgrader that responds later still reports its figures, for the next visitor.
REPORT_SECONDS = 60.0
#: Figures that are not older than this are not requested again.
FRESH_SECONDS = 5.0


@dataclass(frozen=True)
class Figures:
    """What a formgrader reported. ``to_grade`` is None if it only reports the numbers."""

    at: datetime
    assignments: int
    submissions: int
    to_grade: tuple[AssignmentWork, ...] | None = None


class _Assignment(msgspec.Struct):
    """An assignment in nbgrader's own list."""

    num_submissions: int = 0


class _Known(NamedTuple):
    """Figures, when they were requested (monotonic), and of which gradebook."""

    asked: float
    gradebook: Hashable
    figures: Figures


class KnownFigures:
    """The latest figures of each course."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def refresh(self, formgraders: Sequence[Formgrader]) -> None:
        """Request the figures of those that run, for a limited time."""
        tasks = {self._request(one) for one in formgraders if self._is_due(one)}
        if tasks:
            await asyncio.wait(tasks, timeout=COUNT_SECONDS)

    def of(self, formgrader: Formgrader) -> Figures | None:
        """The latest figures of a course; None if they are unknown."""
        found = self._known.get(formgrader.course.id)
        return found.figures if found and found.gradebook == _gradebook(formgrader) else None

    async def close(self) -> None:
        """Abandon what has not been reported yet."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _is_due(self, formgrader: Formgrader) -> bool:
        if not _runs(formgrader):
            return False
        if self.of(formgrader) is None:
            return True
        return self._clock.monotonic() - self._known[formgrader.course.id].asked > FRESH_SECONDS

    def _request(self, formgrader: Formgrader) -> asyncio.Task[None]:
        """One request at a time for each course."""
        course_id = formgrader.course.id
        running = self._running.get(course_id)
        if running is None or running.done():
            running = asyncio.create_task(self._report(formgrader))
            self._running[course_id] = running
        return running

    async def _report(self, formgrader: Formgrader) -> None:
        asked, at = self._clock.monotonic(), self._clock.now()
        gradebook = _gradebook(formgrader)
        try:
            # Checked again, because ready() starts a formgrader that does not run.
            upstream = formgrader.ready() if _runs(formgrader) else None
            if upstream is None:
                return
            with formgrader.in_use(upstream):
                async with asyncio.timeout(REPORT_SECONDS):
                    figures = await _read(formgrader, upstream, at)
        except (
            UpstreamUnreachable,
            aiohttp.ClientError,
            OSError,
            TimeoutError,
            msgspec.MsgspecError,
        ):
            return
        if figures is not None:
            self._known[formgrader.course.id] = _Known(asked, gradebook, figures)


def _runs(formgrader: Formgrader) -> bool:
    """Whether it can report without being started."""
    return formgrader.pool is None or formgrader.pool.serves(Work.PAGES)


def _gradebook(formgrader: Formgrader) -> Hashable:
    """What tells a course from another one that had the same id."""
    course = formgrader.course
    return course.directory, course.url, course.db_url_file, course.db_url_version


async def _read(formgrader: Formgrader, upstream: Upstream, at: datetime) -> Figures | None:
    body = await _get(formgrader, upstream, "classroom/summary")
    if body is not None:
        work = msgspec.json.decode(body, type=tuple[AssignmentWork, ...])
        return Figures(at, len(work), sum(one.submitted for one in work), work)
    body = await _get(formgrader, upstream, "assignments")  # nbgrader's own extension
    if body is None:
        return None
    found = msgspec.json.decode(body, type=list[_Assignment])
    return Figures(at, len(found), sum(one.num_submissions for one in found))


async def _get(formgrader: Formgrader, upstream: Upstream, path: str) -> bytes | None:
    """The response to a request to the formgrader's API; None unless its status is 200."""
    async with upstream.session.get(
        f"{upstream.origin}{formgrader.base_url}formgrader/api/{path}",
        headers=upstream.authorization,
        allow_redirects=False,
    ) as response:
        return await read_completely(response) if response.status == 200 else None
