"""Autograding a whole assignment with the real nbgrader, through the service."""

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from services.formgrader_proxy.courses_file.file import load_courses
from services.formgrader_proxy.store.job import State
from tests.fakes.oauth import Browser
from tests.formgrader_proxy.site import COURSE, GRADER, INSTRUCTOR, PREFIX, Site, formgrader_site
from tests.integration.formgrader_proxy.course import ASSIGNMENT, NOTEBOOK, STUDENTS
from tests.integration.formgrader_proxy.hub import course_by_nbgrader

pytest.importorskip("nbgrader")
JOBS = PREFIX + "courses/course101/jobs"
NEW = ("ben", "cleo", "dora", "eli")
BROKEN = "fay"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with two autograded submissions. Not to be changed."""
    return course_by_nbgrader(tmp_path_factory.mktemp("jobs") / "course")


@pytest.fixture
def course(original: Path, tmp_path: Path) -> Path:
    """A copy with five more submissions, one of which is no notebook."""
    copy = tmp_path / "course"
    shutil.copytree(original, copy)
    config = copy / "nbgrader_config.py"
    text = config.read_text().replace(str(original), str(copy))
    # A cell that sleeps has to sleep until the test stops it, on a slow machine, too.
    config.write_text(text + "c.ExecutePreprocessor.timeout = c.Execute.timeout = 900\n")
    first = copy / "submitted" / STUDENTS[0] / ASSIGNMENT
    for student in (*NEW, BROKEN):
        shutil.copytree(first, copy / "submitted" / student / ASSIGNMENT)
    (copy / "submitted" / BROKEN / ASSIGNMENT / f"{NOTEBOOK}.ipynb").write_text("no notebook")
    return copy


def sleep_for_ever(course: Path, student: str) -> None:
    """Make a submission that takes longer than any test."""
    path = course / "submitted" / student / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = "import time; time.sleep(600)"
    path.write_text(json.dumps(notebook))


def graded(course: Path) -> set[str]:
    """The students with a submission in the gradebook."""
    with sqlite3.connect(course / "gradebook.db") as database:
        return {row[0] for row in database.execute("select student_id from submitted_assignment")}


async def serve(site: Site, directory: Path, **settings: object) -> None:
    """Make the service run the course's formgrader in this directory."""
    text = f'[[course]]\nid = "course101"\ndirectory = "{directory}"\nsandbox = "none"\n'
    text += 'instructors = ["instructors"]\n'
    text += "".join(f"{name} = {value}\n" for name, value in settings.items())
    await site.formgraders.replace(load_courses(text))


async def browser_of(site: Site, user: str) -> Browser:
    browser = await site.browser(user)
    await browser.go(JOBS)
    return browser


async def post(browser: Browser, path: str, **fields: str) -> Any:
    """Send a change as a program's fetch; its JSON."""
    headers = {"X-XSRFToken": browser.xsrf}
    answer = await browser.fetch(path, method="POST", json=fields, headers=headers)
    assert answer.status in {200, 202}, answer.text
    return answer.json()


async def job(browser: Browser, number: int) -> Any:
    answer = await browser.fetch(f"{JOBS}/{number}", headers={"X-XSRFToken": browser.xsrf})
    assert answer.status == 200
    return answer.json()


async def until(browser: Browser, number: int, condition: Any) -> Any:
    async with asyncio.timeout(200):
        while not condition(found := await job(browser, number)):
            await asyncio.sleep(0.1)
        return found


def ended(found: Any) -> bool:
    return State(found["state"]).ended


async def start(browser: Browser, which: str = "needed") -> Any:
    fields = {"action": "autograde", "assignment": ASSIGNMENT, "which": which}
    return await post(browser, JOBS, **fields)


async def test_two_at_once_with_a_failure_and_a_retry(course: Path, tmp_path: Path) -> None:
    """Six students, two processes, two browsers; the failed one is retried when it is repaired."""
    async with formgrader_site(tmp_path) as site:
        await serve(site, course, job_workers=2)
        browser, other = await browser_of(site, INSTRUCTOR), await browser_of(site, GRADER)
        made, same = await asyncio.gather(start(browser), start(browser))
        assert made["id"] == same["id"]
        assert made["total"] == 5
        most = 0
        while not ended(found := await job(other, made["id"])):
            most = max(most, len(found["current"]))
            await asyncio.sleep(0.02)
        assert most == 2
        assert {name: found[name] for name in ("state", "done", "failed")} == {
            "state": "failed",
            "done": 4,
            "failed": 1,
        }
        lines = {one["student"]: "\n".join(one["lines"]) for one in found["items"]}
        assert "[ERROR]" in lines[BROKEN]
        assert graded(course) >= {*STUDENTS, *NEW}
        path = Path("submitted", BROKEN, ASSIGNMENT, f"{NOTEBOOK}.ipynb")
        shutil.copy(course / "submitted" / NEW[0] / ASSIGNMENT / path.name, course / path)
        again = await post(browser, f"{JOBS}/{made['id']}/retry")
        found = await until(browser, again["id"], ended)
        assert (found["state"], found["total"], found["retry_of"]) == ("done", 1, made["id"])
        assert BROKEN in graded(course)
        assert (await site.audit.newest("course101"))[0].succeeded


async def test_stop_a_submission_that_does_not_end(course: Path, tmp_path: Path) -> None:
    """Cancel leaves it running; stop ends its process, and the next job works as usual."""
    sleep_for_ever(course, NEW[0])
    async with formgrader_site(tmp_path) as site:
        await serve(site, course)
        browser = await browser_of(site, INSTRUCTOR)
        made = (await start(browser))["id"]
        await until(browser, made, lambda found: NEW[0] in found["current"])
        await post(browser, f"{JOBS}/{made}/cancel")
        found = await job(browser, made)
        assert (found["state"], found["cancelled"]) == ("running", 4)
        # Others use the formgrader meanwhile.
        page = await browser.go(COURSE + "formgrader/manage_assignments")
        while page.status == 503:
            page = await browser.go(COURSE + "formgrader/manage_assignments")
        assert page.status == 200
        await browser.go(JOBS)
        await post(browser, f"{JOBS}/{made}/stop")
        found = await until(browser, made, ended)
        assert (found["state"], found["cancelled"]) == ("cancelled", 5)
        assert found["items"][0]["lines"] == [f"Stopped by {INSTRUCTOR}."]
        path = Path(ASSIGNMENT, f"{NOTEBOOK}.ipynb")
        shutil.copy(course / "submitted" / NEW[1] / path, course / "submitted" / NEW[0] / path)
        found = await until(browser, (await start(browser))["id"], ended)
        assert (found["done"], found["failed"]) == (4, 1)


async def test_a_restart_interrupts_and_a_retry_finishes(course: Path, tmp_path: Path) -> None:
    """What was running is shown as interrupted, never as done."""
    sleep_for_ever(course, NEW[1])
    async with formgrader_site(tmp_path) as site:
        await serve(site, course)
        browser = await browser_of(site, INSTRUCTOR)
        made = (await start(browser))["id"]
        await until(browser, made, lambda found: NEW[1] in found["current"])
    path = Path(ASSIGNMENT, f"{NOTEBOOK}.ipynb")
    shutil.copy(course / "submitted" / NEW[0] / path, course / "submitted" / NEW[1] / path)
    async with formgrader_site(tmp_path) as site:
        await serve(site, course)
        browser = await browser_of(site, INSTRUCTOR)
        found = await job(browser, made)
        states = [one["state"] for one in found["items"]]
        assert (found["state"], states) == ("interrupted", ["done", *["interrupted"] * 4])
        assert "interrupted</span>" in (await browser.go(JOBS)).text
        again = await post(browser, f"{JOBS}/{made}/retry")
        found = await until(browser, again["id"], ended)
        assert (found["total"], found["done"], found["failed"]) == (4, 3, 1)
