"""A submission is autograded for some seconds, in a real formgrader, while other things happen."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from yarl import URL

from services.formgrader_proxy.courses_file.file import load_courses
from services.formgrader_proxy.sandbox.mechanisms import available
from services.formgrader_proxy.upstream.endpoint import Upstream, Work
from services.formgrader_proxy.upstream.formgrader import Formgrader
from tests.fakes.oauth import Browser
from tests.formgrader_proxy.site import COURSE, GRADER, Site, formgrader_site
from tests.integration.autograding.formgrader import Course, copy_of
from tests.integration.formgrader_proxy.course import ASSIGNMENT, NOTEBOOK
from tests.integration.formgrader_proxy.hub import course_by_nbgrader

pytest.importorskip("nbgrader")
STUDENT = "ana"
#: A cell of the submission. It takes long enough for everything that a test does meanwhile.
LONG = "import time\ntime.sleep(12)"
#: The most seconds for a page of this small course. nbgrader alone would need those of the cell.
MOST = 6.0


@pytest.fixture(scope="module")
def new_course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course that nbgrader made. Not to be changed."""
    return course_by_nbgrader(tmp_path_factory.mktemp("autograding") / "course")


@pytest.fixture
def course(new_course: Path, tmp_path: Path) -> Course:
    """With a submission that takes long to autograde."""
    course = Course(copy_of(new_course, tmp_path))
    shutil.rmtree(course.autograded(STUDENT))
    course.submit(STUDENT, LONG)
    return course


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as site:
        yield site


async def configure(site: Site, course: Course, *lines: str, title: str = "Sums") -> None:
    """Serve the course with these further lines in the courses file."""
    text = (
        f'[[course]]\nid = "course101"\ntitle = "{title}"\ndirectory = "{course.path}"\n'
        "workers = 2\njob_workers = 1\n"
    )
    sandbox = () if available().best or any("sandbox" in one for one in lines) else ("none",)
    lines += tuple(f'sandbox = "{one}"' for one in sandbox)
    await site.formgraders.replace(load_courses(text + "\n".join(lines)))


def formgrader_of(site: Site) -> Formgrader:
    found = site.formgraders.get("course101")
    assert found is not None
    return found


async def begin_autograding(formgrader: Formgrader) -> "asyncio.Task[dict[str, Any]]":
    """Autograde the submission in a process for jobs; the result of nbgrader."""
    upstream = await formgrader.until_ready(Work.JOBS, 120)
    assert upstream is not None
    path = f"formgrader/api/submission/{ASSIGNMENT}/{STUDENT}/autograde"

    async def send(upstream: Upstream) -> dict[str, Any]:
        with formgrader.in_use(upstream):
            url = URL(upstream.origin + formgrader.base_url + path)
            async with upstream.session.post(url, headers=upstream.authorization) as answer:
                result: dict[str, Any] = await answer.json(content_type=None)
                return result

    return asyncio.create_task(send(upstream))


async def page(browser: Browser, path: str) -> float:
    """Seconds that a page takes. It exists."""
    clock = asyncio.get_running_loop()
    began = clock.time()
    answer = await browser.go(COURSE + path)
    assert answer.status == 200, answer.text
    return clock.time() - began


async def signed_in(site: Site, user: str) -> Browser:
    """A browser for which the formgrader runs."""
    browser = await site.browser(user)
    assert await formgrader_of(site).until_ready(Work.PAGES, 120)
    return browser


async def test_pages_and_scores_do_not_wait(site: Site, course: Course) -> None:
    """And changes of the courses file that do not concern the process do not end it."""
    await configure(site, course)
    formgrader, browser = formgrader_of(site), await signed_in(site, GRADER)
    running = await begin_autograding(formgrader)
    for path in ("manage_submissions/ps1", f"gradebook/{ASSIGNMENT}/{NOTEBOOK}"):
        assert await page(browser, f"formgrader/{path}") < MOST
    with sqlite3.connect(course.path / "gradebook.db") as database:
        (grade,) = database.execute("select id from grade limit 1").fetchone()
    status = await site.send(
        browser, "PUT", f"formgrader/api/grade/{grade}", data=b'{"manual_score": 1}'
    )
    assert status == 200
    await configure(site, course, "idle_seconds = 1", 'graders = ["others"]', title="More sums")
    assert formgrader_of(site) is formgrader
    assert formgrader.course.title == "More sums"
    assert (await browser.go(COURSE + "formgrader")).status == 403  # the grader is no longer one
    assert not running.done()
    result = await running
    assert result["success"], result
    assert course.scores()[STUDENT] == 3


async def test_a_new_sandbox_waits_for_it(site: Site, course: Course) -> None:
    """Pages continue in a new process; the next job has the new sandbox."""
    await configure(site, course)
    formgrader, browser = formgrader_of(site), await signed_in(site, GRADER)
    running = await begin_autograding(formgrader)
    await configure(site, course, "limits = { memory_mb = 1000 }")
    assert await formgrader.until_ready(Work.PAGES, 120)
    assert await page(browser, "formgrader/gradebook") < MOST
    before = set(psutil.Process().children())
    assert await formgrader.until_ready(Work.JOBS, 0.5) is None
    assert set(psutil.Process().children()) <= before  # and no process was started for a job
    assert not running.done()
    result = await running
    assert result["success"], result
    assert await formgrader.until_ready(Work.JOBS, 120)


async def test_a_removed_course_finishes_it(site: Site, course: Course) -> None:
    """Its pages are gone at once."""
    await configure(site, course)
    formgrader, browser = formgrader_of(site), await signed_in(site, GRADER)
    running = await begin_autograding(formgrader)
    await site.formgraders.replace({})
    assert (await browser.go(COURSE + "formgrader")).status == 404
    assert not running.done()
    result = await running
    assert result["success"], result
    assert course.scores()[STUDENT] == 3
    pool = formgrader.pool
    assert pool is not None
    async with asyncio.timeout(20):
        while not pool.ended:
            await asyncio.sleep(0.05)
