"""A formgrader that we run ourselves, as those see it who wait for it or read its log."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from services.formgrader_proxy.courses import load_courses
from tests.fakes.oauth import Answer, Browser
from tests.formgrader_proxy.site import (
    ADMIN,
    COURSE,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    Site,
    formgrader_site,
)
from tests.integration.formgrader_proxy.hub import course_by_nbgrader

pytest.importorskip("nbgrader")
LOG = PREFIX + "admin/course101/log"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with two submissions, autograded."""
    return course_by_nbgrader(tmp_path_factory.mktemp("managed") / "course")


@pytest.fixture
async def site(tmp_path: Path, course: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as site:
        await serve(site, course)
        yield site


async def serve(site: Site, directory: Path) -> None:
    """Let the course's formgrader be ours to run."""
    text = f'[[course]]\nid = "course101"\ntitle = "Sums"\ndirectory = "{directory}"\n'
    await site.formgraders.replace(load_courses(text + 'instructors = ["instructors"]\n'))


async def until_up(browser: Browser) -> Answer:
    """The page behind the waiting page."""
    async with asyncio.timeout(120):
        while True:
            page = await browser.go(COURSE + "formgrader/manage_assignments")
            if page.status != 503:
                return page
            await asyncio.sleep(0.1)


async def test_who_comes_first_is_shown_that_it_starts(site: Site) -> None:
    """A page with its progress that comes back by itself; a script is told to try again."""
    browser = await site.browser(GRADER)  # which is a first visit
    page = await browser.go(COURSE + "formgrader")
    assert page.status == 503
    assert "is starting" in page.text
    assert "<progress" in page.text
    assert 'http-equiv="refresh"' in page.text
    assert page.headers["Retry-After"] == "1"
    token = browser.cookies()["_xsrf"]
    told = await browser.fetch(COURSE + "formgrader/api/status", token=token)
    assert told.status == 503
    assert "starting" in told.json()["message"]
    assert (await until_up(browser)).status == 200


async def test_a_formgrader_that_cannot_start_says_so(site: Site, tmp_path: Path) -> None:
    """On the page of who waits, with when it is tried again; the reason is for administrators."""
    await serve(site, tmp_path / "nowhere")
    browser = await site.browser(GRADER)
    async with asyncio.timeout(60):
        while "does not run" not in (page := await browser.go(COURSE + "formgrader")).text:
            await asyncio.sleep(0.05)
    assert page.status == 503
    assert "tried again in" in page.text
    assert int(page.headers["Retry-After"]) >= 1


async def test_its_log_is_the_administrators(site: Site) -> None:
    """What the process printed, on a page; not for who teaches."""
    admin = await site.browser(ADMIN)
    await until_up(admin)
    page = await admin.go(LOG)
    assert page.status == 200
    assert "State: running" in page.text
    assert "formgrader" in page.text.partition("<pre")[2]
    for user in (GRADER, INSTRUCTOR):
        assert (await (await site.browser(user)).go(LOG)).status == 403


async def test_the_list_of_courses_counts_while_it_runs(site: Site) -> None:
    """Assignments and submissions as nbgrader has them; no numbers before it runs."""
    browser = await site.browser()
    await browser.log_in(GRADER)
    assert "submission" not in (await browser.go(PREFIX)).text
    assert (await cards(browser))["assignments"] is None
    await until_up(browser)
    card = await cards(browser)
    assert (card["state"], card["assignments"], card["submissions"]) == ("running", 1, 2)
    page = " ".join((await browser.go(PREFIX)).text.split())
    assert "1 assignment, 2 submissions." in page


async def cards(browser: Browser) -> dict[str, object]:
    """The one course in the list for programs."""
    page = await browser.go(PREFIX + "api/courses")
    assert page.status == 200, page.text
    (card,) = json.loads(page.text)
    assert isinstance(card, dict)
    return card


async def test_one_that_is_busy_is_not_dead(site: Site) -> None:
    """While it answers nobody, as when it autogrades, it is waited for and not replaced."""
    browser = await site.browser(GRADER)
    await until_up(browser)
    (process,) = [
        one
        for one in psutil.Process().children()
        if "services.formgrader_proxy.upstream.server" in one.cmdline()
    ]
    process.send_signal(signal.SIGSTOP)
    try:
        page = asyncio.create_task(browser.go(COURSE + "formgrader/manage_assignments"))
        # The list gives up on its numbers after two seconds, and still says that it runs.
        card = await cards(browser)
        assert (card["state"], card["assignments"]) == ("running", None)
        assert not page.done()
    finally:
        process.send_signal(signal.SIGCONT)
    assert (await asyncio.wait_for(page, 60)).status == 200
    assert process.is_running()
