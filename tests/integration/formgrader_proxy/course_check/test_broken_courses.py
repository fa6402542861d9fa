"""Courses that are broken, with the real formgrader: it does not start, and the pages say why."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

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
PAGE = COURSE + "formgrader/manage_assignments"
MILD = "The grading pages of this course are not available"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with two submissions, autograded."""
    return course_by_nbgrader(tmp_path_factory.mktemp("broken") / "course")


@pytest.fixture
def course(tmp_path: Path, made: Path) -> Path:
    """A copy of the course, to break it."""
    return Path(shutil.copytree(made, tmp_path / "course"))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as site:
        yield site


async def serve(site: Site, directory: Path) -> None:
    """Make the service run the course's formgrader in this directory."""
    text = f'[[course]]\nid = "course101"\ntitle = "Sums"\ndirectory = "{directory}"\n'
    await site.formgraders.replace(load_courses(text + 'instructors = ["instructors"]\n'))


async def until(browser: Browser, condition: Callable[[Answer], bool]) -> Answer:
    """The first page for which the condition is true."""
    async with asyncio.timeout(90):
        while not condition(page := await browser.go(PAGE)):
            await asyncio.sleep(0.1)
    return page


def mistake(course: Path) -> str:
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("c.Exchange.root = \n")
    return "nbgrader_config.py, line 4: SyntaxError"


def refused(course: Path) -> str:
    (course / "nbgrader_config.py").write_text(
        "from services.formgrader_proxy.autograding.guards import protect\nprotect(sandbox='nix')\n"
    )
    return "sandbox: use one of"


def missing(course: Path) -> str:
    shutil.rmtree(course)
    return "does not exist"


def a_file(course: Path) -> str:
    shutil.rmtree(course)
    course.write_text("")
    return "could not be started"


def emptied(course: Path) -> str:
    (course / "gradebook.db").write_bytes(b"")
    return "gradebook.db is empty (0 bytes)"


def newer(course: Path) -> str:
    with sqlite3.connect(course / "gradebook.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    return "newer nbgrader"


@pytest.mark.parametrize("spoil", [mistake, refused, missing, a_file, emptied, newer])
async def test_a_broken_course_does_not_start(
    site: Site, course: Path, spoil: Callable[[Path], str]
) -> None:
    """Instructors and administrators read the reason, graders a milder sentence."""
    words = spoil(course)
    await serve(site, course)
    instructor = await site.browser(INSTRUCTOR)
    page = await until(instructor, lambda page: "is starting" not in page.text)
    assert page.status == 503
    assert words in page.text
    assert 'http-equiv="refresh"' in page.text
    answer = await instructor.fetch(COURSE + "formgrader/api/assignments", token=instructor.xsrf)
    assert words in answer.json()["message"]
    assert words in (await instructor.go(PREFIX)).text
    (card,) = json.loads((await instructor.go(PREFIX + "api/courses")).text)
    assert words in card["trouble"]

    admin = await site.browser(ADMIN)
    assert words in (await admin.go(PREFIX + "admin/course101/log")).text
    grader = await site.browser(GRADER)
    for path in (PAGE, PREFIX):
        page = await grader.go(path)
        assert MILD in page.text
        assert words not in page.text


async def test_it_starts_when_the_mistake_is_corrected(site: Site, course: Path) -> None:
    """At once, however long the delay after several failures would be."""
    config = course / "nbgrader_config.py"
    valid = config.read_text()
    mistake(course)
    await serve(site, course)
    browser = await site.browser(INSTRUCTOR)
    await until(browser, lambda page: "SyntaxError" in page.text)
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    assert formgrader.pool is not None
    site.clock.advance(1)
    await until(browser, lambda page: "checked again as soon as" in page.text)
    config.write_text(valid)
    page = await until(browser, lambda page: page.status == 200)
    assert "Manage Assignments" in page.text


async def test_a_mistake_while_it_runs_changes_nothing(site: Site, course: Path) -> None:
    """The previous settings stay in use, every page says so, and no second gradebook appears."""
    config = course / "nbgrader_config.py"
    moved = course / "grades.db"
    (course / "gradebook.db").rename(moved)
    valid = config.read_text() + f"c.CourseDirectory.db_url = 'sqlite:///{moved}'\n"
    config.write_text(valid)
    await serve(site, course)
    browser = await site.browser(INSTRUCTOR)
    await until(browser, lambda page: page.status == 200)
    config.write_text(valid + "c.Exchange.root = \n")
    answer = await browser.fetch(COURSE + "formgrader/api/students", token=browser.xsrf)
    assert {student["id"] for student in answer.json()} == {"ana", "mallory"}
    page = await browser.go(PAGE)
    assert "its previous settings stay in use" in page.text
    admin = await site.browser(ADMIN)
    log = (await admin.go(PREFIX + "admin/course101/log")).text
    assert "nbgrader_config.py, line 5: SyntaxError" in log
    config.write_text(valid)
    await browser.fetch(COURSE + "formgrader/api/students", token=browser.xsrf)
    assert "previous settings" not in (await browser.go(PAGE)).text
    assert not (course / "gradebook.db").exists()


async def test_a_gradebook_that_breaks_while_it_runs(site: Site, course: Path) -> None:
    """The pages' requests get a sentence."""
    await serve(site, course)
    browser = await site.browser(INSTRUCTOR)
    await until(browser, lambda page: page.status == 200)
    with sqlite3.connect(course / "gradebook.db") as database:
        database.execute("ALTER TABLE student RENAME COLUMN lms_user_id TO something")
    answer = await browser.fetch(COURSE + "formgrader/api/students", token=browser.xsrf)
    assert answer.status == 500
    assert "made by another version of nbgrader" in answer.json()["message"]


async def test_impossible_names_are_refused_on_creation(site: Site, course: Path) -> None:
    """With the rule; what exists can still be changed."""
    await serve(site, course)
    browser = await site.browser(INSTRUCTOR)
    await until(browser, lambda page: page.status == 200)

    async def send(method: str, path: str) -> Answer:
        headers = {"X-CSRFToken": browser.xsrf, "Content-Type": "text/json"}
        return await browser.fetch(
            f"{COURSE}formgrader/api/{path}", method=method, headers=headers, data=b"{}"
        )

    for path in ("assignment/a+b", "assignment/ps%20(1)", "assignment/ps.", "student/a+b"):
        answer = await send("PUT", path)
        assert answer.status == 400
        assert "may contain letters and digits" in answer.json()["message"]
    assert not (course / "source" / "a+b").exists()
    assert (await send("PUT", "assignment/ps2")).status == 200
    shutil.copy(course / "source/ps1/sums.ipynb", course / "source/ps2/part[1].ipynb")
    answer = await send("POST", "assignment/ps2/assign")
    result = answer.json()
    assert result["success"] is False
    assert "“part[1]” cannot be used. The name of a notebook may contain" in result["log"]
    assert not (course / "release" / "ps2").exists()
    with sqlite3.connect(course / "gradebook.db") as database:
        database.execute("UPDATE assignment SET name = 'ps (1)' WHERE name = 'ps1'")
    assert (await send("PUT", "assignment/ps%20(1)")).status == 200
