"""Grading through the formgrader proxy, with the real Hub, proxy and nbgrader."""

import asyncio
import csv
import io
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.fakes.oauth import xsrf_in
from tests.integration.conftest import needs_proxy
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
from tests.integration.realhub import RealHub

PAGE = {
    "Accept": "text/html",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with two submissions, autograded."""
    return course_by_nbgrader(tmp_path_factory.mktemp("formgrader") / "course")


@pytest.fixture(scope="module")
def hub(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    """The hub with the service."""
    needs_proxy()
    with formgrader_hub(tmp_path_factory.mktemp("formgrader-hub"), course) as hub:
        yield hub


class Person:
    """A user's browser, at the course's address."""

    def __init__(self, hub: RealHub, session: aiohttp.ClientSession) -> None:
        self.hub, self.session = hub, session
        self.xsrf = ""

    async def open(self, path: str) -> aiohttp.ClientResponse:
        """Open a page, signing in and waiting for the formgrader as needed."""
        async with asyncio.timeout(90):
            while True:
                url = URL(self.hub.url + PREFIX + path, encoded=True)
                answer = await self.session.get(url, headers=PAGE)
                if answer.status != 503:
                    if answer.content_type == "text/html":
                        self.xsrf = xsrf_in(await answer.text()) or self.xsrf
                    return answer
                await answer.read()
                await asyncio.sleep(0.1)

    async def send(self, method: str, path: str, body: Any = None) -> aiohttp.ClientResponse:
        """Send a request as nbgrader's scripts do: JSON, with the token from the page."""
        headers = {
            "X-CSRFToken": self.xsrf,
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Sec-Fetch-Site": "same-origin",
            "Origin": self.hub.url.rstrip("/"),
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body)
        url = URL(self.hub.url + PREFIX + path, encoded=True)
        return await self.session.request(method, url, data=data, headers=headers)


@asynccontextmanager
async def person(hub: RealHub, name: str) -> AsyncIterator[Person]:
    async with hub.login(name) as session:
        yield Person(hub, session)


@pytest.fixture
async def grader(hub: RealHub) -> AsyncIterator[Person]:
    async with person(hub, GRADER) as grader:
        yield grader


def gradebook(course: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(course / "gradebook.db") as database:
        return database.execute(query).fetchall()


async def submissions(grader: Person) -> dict[str, str]:
    """The ids of the submitted notebooks, by student."""
    await grader.open("formgrader/gradebook")
    answer = await grader.send("GET", f"formgrader/api/submitted_notebooks/{ASSIGNMENT}/{NOTEBOOK}")
    assert answer.status == 200, await answer.text()
    return {item["student"]: item["id"] for item in await answer.json(content_type=None)}


async def test_a_grader_grades_and_the_audit_knows_who(
    hub: RealHub, course: Path, grader: Person
) -> None:
    """Points and a comment are in the gradebook; the audit log has the names of their fields."""
    ids = await submissions(grader)
    page = await grader.open(f"formgrader/submissions/{ids['ana']}/")
    assert page.status == 200
    query = f"?submission_id={ids['ana']}"
    grades = await (await grader.send("GET", "formgrader/api/grades" + query)).json(
        content_type=None
    )
    comments = await (await grader.send("GET", "formgrader/api/comments" + query)).json(
        content_type=None
    )
    grade = next(item for item in grades if item["auto_score"] is None)
    answer = await grader.send(
        "PUT", f"formgrader/api/grade/{grade['id']}", {"manual_score": 4, "extra_credit": 1}
    )
    assert answer.status == 200, await answer.text()
    comment = comments[0]["id"]
    answer = await grader.send(
        "PUT", f"formgrader/api/comment/{comment}", {"manual_comment": "Well said."}
    )
    assert answer.status == 200
    scores = gradebook(course, "select id, manual_score, extra_credit from grade")
    assert (grade["id"], 4, 1) in scores
    assert ("Well said.",) in gradebook(course, "select manual_comment from comment")
    async with person(hub, INSTRUCTOR) as instructor:
        await instructor.open("formgrader/gradebook")
        answer = await instructor.session.get(
            hub.url + f"services/formgrader/audit/{COURSE}.csv", headers=PAGE
        )
        text = await answer.text()
    rows = list(csv.DictReader(io.StringIO(text)))
    graded = next(row for row in rows if row["path"].endswith(grade["id"]))
    assert (graded["who"], graded["role"], graded["action"]) == (GRADER, "grader", "grade")
    assert (graded["fields"], graded["status"]) == ("extra_credit manual_score", "200")
    assert "Well said" not in text


async def test_only_instructors_may_autograde(hub: RealHub, grader: Person) -> None:
    """A grader is refused."""
    await submissions(grader)
    path = f"formgrader/api/submission/{ASSIGNMENT}/ana/autograde"
    assert (await grader.send("POST", path)).status == 403
    async with person(hub, INSTRUCTOR) as instructor:
        await instructor.open("formgrader/manage_assignments")
        answer = await instructor.send("POST", path)
        assert (await answer.json(content_type=None))["success"], await answer.text()


async def test_a_failed_action_is_recorded_as_failed(hub: RealHub, course: Path) -> None:
    """nbgrader answers with 200; the dialog and the audit log have the true outcome."""
    shutil.copytree(course / "submitted" / "ana", course / "submitted" / "mal")
    (course / "submitted" / "mal" / ASSIGNMENT / "link.txt").symlink_to(course / "gradebook.db")
    async with person(hub, INSTRUCTOR) as instructor:
        await instructor.open("formgrader/manage_assignments")
        path = f"formgrader/api/submission/{ASSIGNMENT}/mal/autograde"
        answer = await instructor.send("POST", path)
        result = await answer.json(content_type=None)
        assert (answer.status, result["success"]) == (200, False)
        assert result["error"].startswith(f'mal/{ASSIGNMENT}: "link.txt" is a symbolic link')
        page = hub.url + f"services/formgrader/audit/{COURSE}"
        rows = await (await instructor.session.get(page + ".csv", headers=PAGE)).text()
        row = next(row for row in csv.DictReader(io.StringIO(rows)) if "/mal/" in row["path"])
        assert (row["status"], row["succeeded"]) == ("200", "no")
        assert "<td>failed</td>" in await (await instructor.session.get(page, headers=PAGE)).text()
    shutil.rmtree(course / "submitted" / "mal")


@pytest.mark.parametrize("path", ["formgrader/gradebook", "formgrader/static/js/utils.js", ""])
async def test_a_student_is_refused(hub: RealHub, path: str) -> None:
    """Every page and every static file."""
    async with person(hub, STUDENT) as student:
        assert (await student.open(path or "formgrader")).status == 403


async def test_anonymous_requests(hub: RealHub) -> None:
    """A browser is redirected to the login page; a script gets 401."""
    async with aiohttp.ClientSession() as session:
        url = hub.url + PREFIX + "formgrader/gradebook"
        answer = await session.get(url, headers=PAGE)
        assert answer.url.path == "/hub/login"
        assert (await session.get(url)).status == 401
        assert (await session.put(url)).status == 401


async def test_a_removed_grader_cannot_change_anything(hub: RealHub) -> None:
    """The Hub is asked before every change."""
    await hub.create_user("greg", groups=[f"formgrade-{COURSE}"])
    async with person(hub, "greg") as greg:
        ids = await submissions(greg)
        flag = f"formgrader/api/submitted_notebook/{ids['ana']}/flag"
        assert (await greg.send("POST", flag)).status == 200
        await hub.leave_group(f"formgrade-{COURSE}", ["greg"])
        assert (await greg.send("POST", flag)).status == 403


@pytest.mark.parametrize(
    "path",
    [
        "files/gradebook.db",
        "api",
        "metrics",
        "logout",
        "tree",
        "lab",
        "formgrader/../files/gradebook.db",
        "formgrader/%2e%2e/files/gradebook.db",
        "formgrader/submissions/x/..%2f..%2f..%2fgradebook.db",
        "formgrader//files/gradebook.db",
        "formgrader?path=/tmp",
        "formgrader/?%70ath=/tmp",
        "formgrader/..%5c..%5cgradebook.db",
        "formgrader/submissions/x/%252e%252e/%252e%252e/gradebook.db",
    ],
)
async def test_other_addresses_are_refused(grader: Person, path: str) -> None:
    """In every encoding, even for a grader."""
    answer = await grader.open(path)
    assert answer.status in {400, 404}
    assert b"SQLite format" not in await answer.read()


async def test_a_change_without_the_pages_token_is_refused(hub: RealHub, grader: Person) -> None:
    """A forged POST from another site, or from a student's server on the same origin."""
    ids = await submissions(grader)
    url = hub.url + PREFIX + f"formgrader/api/submitted_notebook/{ids['ana']}/flag"
    for headers in (
        {},
        {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Origin": "http://evil",
        },
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"},
        {"X-CSRFToken": "guessed"},
    ):
        assert (await grader.session.post(url, headers=headers)).status == 403


async def test_hostile_attachments_are_sandboxed(grader: Person) -> None:
    """A student's file has neither scripts nor an origin."""
    ids = await submissions(grader)
    for name in ("evil.html", "plot.svg"):
        answer = await grader.open(f"formgrader/submissions/{ids['mallory']}/{name}")
        assert answer.status == 200
        assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_hostile_notebook_is_sanitised(grader: Person) -> None:
    """Scripts in Markdown and outputs are removed; scores and comments stay."""
    ids = await submissions(grader)
    text = await (await grader.open(f"formgrader/submissions/{ids['mallory']}/")).text()
    assert "<script>window.hostile" not in text
    assert "<img src='x'" not in text
    assert "Because of the sum." in text
    assert "score" in text


async def test_links_point_to_the_graders_own_lab(grader: Person) -> None:
    """nbgrader's broken links open the course in the grader's own JupyterLab."""
    await submissions(grader)
    script = await (await grader.open("formgrader/static/js/utils.js")).text()
    assert "/hub/user-redirect/lab/tree/courses/sums/" in script


async def test_the_upstreams_cookies_and_token_are_not_exposed(grader: Person) -> None:
    """Neither reaches the browser."""
    answer = await grader.open("formgrader/manage_assignments")
    text = await answer.text()
    names = {line.partition("=")[0] for line in answer.headers.getall("Set-Cookie", [])}
    assert names <= {"service-formgrader"}
    assert "token=" not in text
