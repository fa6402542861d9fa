"""nbgrader's own pages in a real browser, through the formgrader proxy, a real Hub and CHP."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import CHROMIUM, Visit
from tests.integration.formgrader_proxy.course import ASSIGNMENT, NOTEBOOK
from tests.integration.formgrader_proxy.hub import (
    COURSE,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    STUDENT,
    course_by_nbgrader,
    formgrader_hub,
)
from tests.integration.processes import proxy_command
from tests.integration.realhub import RealHub

PAGES = PREFIX + "formgrader/"
LIST = f"{PAGES}gradebook/{ASSIGNMENT}/{NOTEBOOK}"
#: Expected messages in Chromium's console: the waiting page has status 503, and tests cannot reach
#: the CDN of nbgrader's MathJax.
STARTING = ("status of 503", "MathJax is not defined")
#: Also the picture with the hostile student's invalid address, and refused requests.
REFUSED = (*STARTING, "status of 404", "status of 403")
#: Also what the sandbox blocks: scripts, and other resources of the site.
SANDBOXED = (*REFUSED, "Blocked script execution", "NotSameOrigin")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with an honest submission and a hostile one, autograded."""
    if proxy_command() is None:
        pytest.skip("configurable-http-proxy is missing: run `make setup`")
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    return course_by_nbgrader(tmp_path_factory.mktemp("formgrader") / "course")


@pytest.fixture(scope="module")
def hub(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """The hub with the formgrader proxy as a managed service."""
    with formgrader_hub(tmp_path_factory.mktemp("formgrader-hub"), course) as hub:
        yield hub


def gradebook(course: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(course / "gradebook.db") as database:
        return database.execute(query, values).fetchall()


def submission(course: Path, student: str) -> str:
    """The id of a student's notebook."""
    query = (
        "select notebook.id from submitted_notebook notebook join submitted_assignment sent"
        " on notebook.assignment_id = sent.id where sent.student_id = ?"
    )
    return str(gradebook(course, query, student)[0][0])


async def seen(page: Page, selector: str) -> None:
    """Wait for this element, while the formgrader starts."""
    await expect(page.locator(selector).first).to_be_visible(timeout=60_000)


async def test_a_grader_grades_and_comments(hub: RealHub, course: Path, visit: Visit) -> None:
    """From the login to a submission. The points, the comment and the grader are recorded."""
    page = await visit(hub, GRADER, LIST, expected=STARTING)
    await seen(page, "table td a")
    await page.goto(f"{hub.url}{PAGES}submissions/{submission(course, 'ana')}/")
    await expect(page.get_by_text("Because of the sum.")).to_be_visible()
    score = page.locator("input.score#why")
    # nbgrader saves only what is typed after it has loaded the scores and the comments.
    await expect(score).to_have_class(re.compile("needs_manual_grade"))
    comment = page.locator("textarea#why-comment")
    await expect(comment).to_have_attribute("placeholder", re.compile(r"\w"))

    async with page.expect_response(lambda answer: "/api/grade/" in answer.url) as graded:
        await score.fill("4")
        await score.blur()
    assert (await graded.value).status == 200
    async with page.expect_response(lambda answer: "/api/comment/" in answer.url) as commented:
        await comment.fill("Well said.")
        await comment.blur()
    assert (await commented.value).status == 200

    assert (4.0,) in gradebook(course, "select manual_score from grade")
    assert ("Well said.",) in gradebook(course, "select manual_comment from comment")
    await page.reload()
    await expect(score).to_have_value("4")

    instructor = await visit(hub, INSTRUCTOR, f"services/formgrader/audit/{COURSE}")
    rows = instructor.locator("tbody tr", has_text=GRADER)
    await expect(rows.filter(has_text="manual_score")).to_have_count(1)
    await expect(rows.filter(has_text="manual_comment")).to_have_count(1)
    await expect(instructor.get_by_text("Well said.")).to_have_count(0)


async def test_an_instructor_autogrades_and_releases_feedback(
    hub: RealHub, course: Path, visit: Visit
) -> None:
    """The buttons of nbgrader's own pages work, and its messages are shown."""
    page = await visit(
        hub, INSTRUCTOR, f"{PAGES}manage_submissions/{ASSIGNMENT}", expected=STARTING
    )
    await seen(page, ".autograde a")
    row = page.locator("tr", has_text="ana")
    for button, words in (
        (".autograde a", "Successfully autograded"),
        (".generate-feedback a", "Successfully generated feedback"),
        (".release-feedback a", "Successfully released feedback"),
    ):
        await row.locator(button).click()
        modal = page.locator("#success-modal")
        await expect(modal).to_contain_text(words, timeout=60_000)
        await modal.get_by_role("button", name="OK").click()
        await expect(modal).to_have_count(0)
    released = list((course / "exchange" / COURSE / "feedback").glob("*.html"))
    assert len(released) == 1


async def test_a_grader_sees_that_autograding_is_refused(hub: RealHub, visit: Visit) -> None:
    """nbgrader's page reports that it failed."""
    page = await visit(hub, GRADER, f"{PAGES}manage_submissions/{ASSIGNMENT}", expected=REFUSED)
    await seen(page, ".autograde a")
    async with page.expect_response(lambda answer: "/autograde" in answer.url) as refused:
        await page.locator("tr", has_text="ana").locator(".autograde a").click()
    assert (await refused.value).status == 403
    await expect(page.locator("#error-modal")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("manage_assignments", "table.dataTable a"),
        ("gradebook", "table.dataTable a"),
        (f"gradebook/{ASSIGNMENT}", "table.dataTable a"),
        ("manage_students", "table.dataTable a"),
        ("manage_students/ana", "table.dataTable a"),
        (f"manage_submissions/{ASSIGNMENT}", "table.dataTable a"),
    ],
)
async def test_nbgraders_pages_work(hub: RealHub, visit: Visit, path: str, shown: str) -> None:
    """Tables, templates and icons work with the proxy's policy; no page reports an error."""
    page = await visit(hub, INSTRUCTOR, PAGES + path, expected=STARTING)
    await seen(page, shown)
    fonts = await page.evaluate(
        "document.fonts.load('12px \"Glyphicons Halflings\"').then(fonts => fonts.length)"
    )
    assert fonts == 1


@pytest.mark.parametrize("user", [STUDENT, "stranger"])
async def test_other_users_see_nothing(hub: RealHub, visit: Visit, user: str) -> None:
    """Users who do not grade the course learn nothing about it, not even its title."""
    await hub.create_user("stranger")
    page = await visit(hub, user, LIST, expected=REFUSED)
    await expect(page.get_by_text("You do not grade this course.")).to_be_visible()
    await expect(page.get_by_text("Sums for all")).to_have_count(0)
    answer = await page.request.get(f"{hub.url}{PAGES}static/js/utils.js")
    assert answer.status == 403


async def test_scripts_in_a_notebook_do_not_run(hub: RealHub, course: Path, visit: Visit) -> None:
    """They are removed from Markdown and outputs; answer, scores, comment and picture stay."""
    page = await visit(
        hub, GRADER, f"{PAGES}submissions/{submission(course, 'mallory')}/", expected=REFUSED
    )
    await seen(page, "input.score#why")
    await expect(page.get_by_text("Because of the sum.")).to_be_visible()
    await expect(page.locator("textarea#why-comment")).to_be_visible()
    await expect(page.locator("input.score#test_total")).to_have_attribute("placeholder", "3")
    picture = page.get_by_role("img", name="own picture")
    await expect(picture).to_have_js_property("naturalWidth", 40)
    assert await page.evaluate("window.hostile") is None
    assert "OWNED" not in await page.title()


@pytest.mark.parametrize(("name", "shown"), [("evil.html", "title"), ("plot.svg", "circle")])
async def test_scripts_in_an_attachment_do_not_run(
    hub: RealHub, course: Path, visit: Visit, name: str, shown: str
) -> None:
    """A page and a picture are shown without scripts and without the site's origin."""
    path = f"{PAGES}submissions/{submission(course, 'mallory')}/"
    page = await visit(hub, GRADER, path, expected=SANDBOXED)
    await seen(page, "input.score#why")
    page = await page.context.new_page()
    await page.goto(f"{hub.url}{path}{name}")
    await expect(page.locator(shown)).to_have_count(1)
    assert await page.evaluate("window.hostile") is None
    assert await page.evaluate("window.origin") == "null"
    assert not re.search("OWNED", await page.title())
