"""A formgrader that the service runs: the waiting page, its log, and the list of courses."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from services.formgrader_proxy.courses_file.file import load_courses
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
    """Make the service run the course's formgrader in this directory."""
    text = f'[[course]]\nid = "course101"\ntitle = "Sums"\ndirectory = "{directory}"\n'
    await site.formgraders.replace(load_courses(text + 'instructors = ["instructors"]\n'))


async def until_up(browser: Browser) -> Answer:
    """The page that follows the waiting page."""
    async with asyncio.timeout(120):
        while True:
            page = await browser.go(COURSE + "formgrader/manage_assignments")
            if page.status != 503:
                return page
            await asyncio.sleep(0.1)


async def test_the_first_visitor_sees_that_it_is_starting(site: Site) -> None:
    """A page with its progress that refreshes itself; a script gets 503 with a reason."""
    browser = await site.browser(GRADER)  # this is the first visit
    page = await browser.go(COURSE + "formgrader")
    assert page.status == 503
    assert "is starting" in page.text
    assert "<progress" in page.text
    assert 'http-equiv="refresh"' in page.text
    assert page.headers["Retry-After"] == "1"
    token = browser.xsrf
    answer = await browser.fetch(COURSE + "formgrader/api/status", token=token)
    assert answer.status == 503
    assert "starting" in answer.json()["message"]
    assert (await until_up(browser)).status == 200


async def test_a_failed_start_is_reported(site: Site, tmp_path: Path) -> None:
    """On the waiting page, with the time of the next attempt; the reason is for instructors."""
    await serve(site, tmp_path / "nowhere")
    browser = await site.browser(INSTRUCTOR)
    async with asyncio.timeout(60):
        while "checked again" not in (page := await browser.go(COURSE + "formgrader")).text:
            await asyncio.sleep(0.05)
    assert page.status == 503
    assert str(tmp_path / "nowhere") in page.text
    assert int(page.headers["Retry-After"]) >= 1
    grader = await site.browser(GRADER)
    assert str(tmp_path) not in (await grader.go(COURSE + "formgrader")).text


async def test_only_administrators_may_read_its_log(site: Site) -> None:
    """The page shows what the process printed; graders and instructors are refused."""
    admin = await site.browser(ADMIN)
    await until_up(admin)
    page = await admin.go(LOG)
    assert page.status == 200
    assert "State: running" in page.text
    assert "formgrader" in page.text.partition("<pre")[2]
    for user in (GRADER, INSTRUCTOR):
        assert (await (await site.browser(user)).go(LOG)).status == 403


async def test_the_list_of_courses_has_counts_while_it_runs(site: Site) -> None:
    """Assignments and submissions as in nbgrader; none before it runs."""
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
    """The only course of the JSON list."""
    page = await browser.go(PREFIX + "api/courses")
    assert page.status == 200, page.text
    (card,) = json.loads(page.text)
    assert isinstance(card, dict)
    return card


async def test_a_busy_formgrader_is_not_restarted(site: Site) -> None:
    """It does not respond while it autogrades. Requests wait until it does."""
    browser = await site.browser(GRADER)
    await until_up(browser)
    (process,) = [
        one
        for one in psutil.Process().children(recursive=True)
        if "services.formgrader_proxy.upstream.server" in one.cmdline()
    ]
    process.send_signal(signal.SIGSTOP)
    try:
        page = asyncio.create_task(browser.go(COURSE + "formgrader/manage_assignments"))
        # The list gives up its counts after two seconds, and still shows it as running.
        card = await cards(browser)
        assert (card["state"], card["assignments"]) == ("running", None)
        assert not page.done()
    finally:
        process.send_signal(signal.SIGCONT)
    assert (await asyncio.wait_for(page, 60)).status == 200
    assert process.is_running()
