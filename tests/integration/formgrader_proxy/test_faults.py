"""Concurrent graders and killed processes: no acknowledged grade is lost."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import psutil
import pytest
from yarl import URL

from tests.integration.conftest import needs_proxy
from tests.integration.formgrader_proxy.hub import (
    COURSE,
    GRADER,
    PREFIX,
    course_by_nbgrader,
    formgrader_hub,
)
from tests.integration.formgrader_proxy.test_grading import Person, gradebook, person
from tests.integration.realhub import RealHub


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with two submissions, autograded."""
    return course_by_nbgrader(tmp_path_factory.mktemp("faults") / "course")


@pytest.fixture(scope="module")
def hub(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """The hub with the service."""
    needs_proxy()
    with formgrader_hub(tmp_path_factory.mktemp("faults-hub"), course) as hub:
        yield hub


@pytest.fixture
async def grader(hub: RealHub) -> AsyncIterator[Person]:
    async with person(hub, GRADER) as grader:
        await grader.open("formgrader/gradebook")
        yield grader


def grades(course: Path) -> list[str]:
    """The ids of the grades that are given manually."""
    query = "select grade.id from grade where auto_score is null order by id"
    return [str(row[0]) for row in gradebook(course, query)]


def score(course: Path, grade: str) -> float:
    query = f"select manual_score from grade where id = '{grade}'"  # noqa: S608 # nbgrader's own id
    return float(gradebook(course, query)[0][0])


async def give(person: Person, grade: str, points: float) -> int:
    """Send a grade; returns the status."""
    body = {"manual_score": points, "extra_credit": None}
    async with await person.send("PUT", f"formgrader/api/grade/{grade}", body) as answer:
        return answer.status


def program(hub: RealHub, words: str) -> psutil.Process:
    """The process among the hub's descendants with this word in its command line."""
    for pid in hub.processes():
        with suppress(psutil.Error):
            for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                if words in one.cmdline():
                    return one
    raise AssertionError(f"{words} is not running")


async def test_two_concurrent_graders(hub: RealHub, course: Path, grader: Person) -> None:
    """Every acknowledged grade is saved; if both send the same grade, one of them wins."""
    await hub.create_user("greg", groups=[f"formgrade-{COURSE}"])
    first, second = grades(course)
    async with person(hub, "greg") as greg:
        await greg.open("formgrader/gradebook")
        for points in range(1, 6):
            answers = await asyncio.gather(give(grader, first, points), give(greg, second, points))
            assert set(answers) == {200}
            assert (score(course, first), score(course, second)) == (points, points)
        answers = await asyncio.gather(give(grader, first, 1), give(greg, first, 2))
        assert set(answers) == {200}
        assert score(course, first) in {1, 2}


@pytest.mark.parametrize(
    "words", ["services.formgrader_proxy.upstream.server", "services.formgrader_proxy"]
)
async def test_a_process_is_killed(hub: RealHub, course: Path, grader: Person, words: str) -> None:
    """Grades are sent while it dies. Each acknowledged one is saved, and grading can continue."""
    grade = grades(course)[0]
    killed = program(hub, words)
    acknowledged = [0.0]

    async def grade_on() -> None:
        for tenths in range(1, 50):
            try:
                if await give(grader, grade, tenths / 10) == 200:
                    acknowledged.append(tenths / 10)
                    continue
            except aiohttp.ClientError:
                pass
            return

    grading = asyncio.create_task(grade_on())
    while len(acknowledged) < 4:
        assert not grading.done()
        await asyncio.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    await asyncio.wait_for(grading, 30)
    # The one being sent may be saved or not. The acknowledged ones must be.
    assert score(course, grade) >= acknowledged[-1]

    async def back() -> bool:
        with suppress(aiohttp.ClientError, TimeoutError):
            address = URL(hub.url + PREFIX + "formgrader/gradebook")
            async with asyncio.timeout(5):
                async with grader.session.get(address, headers={"Accept": "text/html"}) as answer:
                    return answer.status == 200
        return False

    await hub.until("the formgrader is back", back, seconds=90)
    assert score(course, grade) >= acknowledged[-1]
    async with person(hub, GRADER) as again:
        await again.open("formgrader/gradebook")
        assert await give(again, grade, 5) == 200
    assert score(course, grade) == 5
