"""``api/courses``: the courses of a user, as JSON."""

import asyncio
import dataclasses
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.formgrader_proxy.web.courses import activity, figures
from tests.fakes.oauth import Browser
from tests.formgrader_proxy.site import (
    ADMIN,
    GRADER,
    INSTRUCTOR,
    PREFIX,
    STUDENT,
    Site,
    formgrader_site,
)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as made:
        yield made


async def courses(browser: Browser) -> list[dict[str, object]]:
    answer = await browser.go(PREFIX + "api/courses")
    assert answer.status == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    found: list[dict[str, object]] = json.loads(answer.text)
    return found


@asynccontextmanager
async def serving(
    site: Site, body: str, *, delay: asyncio.Event | None = None, summary: bool = False
) -> AsyncIterator[None]:
    """Replace the course's formgrader by one that sends this list of assignments.

    With ``summary`` it is one of this project, which reports what is left to grade.
    """

    async def assignments(_request: web.Request) -> web.Response:
        if delay is not None:
            await delay.wait()
        return web.Response(text=body)

    app = web.Application()
    path = "classroom/summary" if summary else "assignments"
    app.router.add_get("/{tail:.*}api/" + path, assignments)
    server = TestServer(app)
    await server.start_server()
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    course = dataclasses.replace(formgrader.course, url=f"http://127.0.0.1:{server.port}")
    await site.formgraders.replace({"course101": course})
    try:
        yield
    finally:
        if delay is not None:
            delay.set()
        await server.close()


@pytest.mark.parametrize(
    ("user", "role", "may_read_audit"),
    [
        (GRADER, "a grader", False),
        (INSTRUCTOR, "an instructor", True),
        (ADMIN, "an administrator", True),
    ],
)
async def test_a_users_courses(site: Site, user: str, role: str, may_read_audit: bool) -> None:
    """With the user's role and permissions; an external formgrader has no log here."""
    browser = await site.browser(user)
    async with serving(site, '[{"num_submissions": 2}, {"num_submissions": 3}]'):
        assert await courses(browser) == [
            {
                "id": "course101",
                "title": "Sums",
                "role": role,
                "state": "elsewhere",
                "trouble": None,
                "may_read_audit": may_read_audit,
                "may_read_log": False,
                "assignments": 2,
                "submissions": 5,
                "may_export": may_read_audit,
                "to_grade": None,
                "as_of": "2026-03-02T12:00:00Z",
                "last_change": None,
                "grading_now": [user],
                "jobs": 0,
            }
        ]


async def test_a_student_has_no_courses(site: Site) -> None:
    """The list is empty."""
    assert await courses(await site.browser(STUDENT)) == []


async def test_a_program_needs_a_token(site: Site) -> None:
    """401 without one."""
    browser = await site.browser()
    assert (await browser.fetch(PREFIX + "api/courses")).status == 401


@pytest.mark.parametrize("body", ["no JSON", "{}", '[{"num_submissions": "x"}]'])
async def test_counts_are_unknown_after_an_unexpected_response(site: Site, body: str) -> None:
    """The course is listed all the same."""
    browser = await site.browser(GRADER)
    async with serving(site, body):
        (course,) = await courses(browser)
    assert (course["assignments"], course["submissions"]) == (None, None)


async def test_counts_of_a_busy_formgrader_are_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it autogrades it does not respond."""
    monkeypatch.setattr(figures, "COUNT_SECONDS", 0.05)
    browser = await site.browser(GRADER)
    async with serving(site, "[]", delay=asyncio.Event()):
        (course,) = await courses(browser)
    assert course["assignments"] is None


async def test_an_unreadable_token_file(site: Site, tmp_path: Path) -> None:
    """The course is listed without counts."""
    browser = await site.browser(GRADER)
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    course = dataclasses.replace(formgrader.course, token_file=tmp_path / "missing")
    await site.formgraders.replace({"course101": course})
    (found,) = await courses(browser)
    assert found["assignments"] is None


async def test_what_is_left_to_grade(site: Site) -> None:
    """For each assignment, if the formgrader reports it."""
    browser = await site.browser(GRADER)
    body = (
        '[{"name": "ps1", "submitted": 3, "needs_autograde": 1, "needs_manual_grade": 2},'
        ' {"name": "ps2", "submitted": 0, "needs_autograde": 0, "needs_manual_grade": 0}]'
    )
    async with serving(site, body, summary=True):
        (course,) = await courses(browser)
    assert course["to_grade"] == json.loads(body)
    assert (course["assignments"], course["submissions"]) == (2, 3)


async def test_figures_stay_while_the_formgrader_cannot_report(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their time; the list does not wait for it, and a late report serves the next visitor."""
    browser = await site.browser(GRADER)
    delay = asyncio.Event()
    delay.set()
    body = '[{"name": "ps1", "submitted": 3, "needs_autograde": 1, "needs_manual_grade": 2}]'
    async with serving(site, body, delay=delay, summary=True):
        (first,) = await courses(browser)
        site.clock.advance(figures.FRESH_SECONDS + 1)
        delay.clear()
        monkeypatch.setattr(figures, "COUNT_SECONDS", 0.05)
        (second,) = await courses(browser)
        assert second == first
        delay.set()
        async with asyncio.timeout(20):
            while (latest := (await courses(browser))[0])["as_of"] == first["as_of"]:
                await asyncio.sleep(0)
        assert latest["to_grade"] == first["to_grade"]


async def test_figures_of_another_gradebook_are_unknown(site: Site, tmp_path: Path) -> None:
    """A formgrader that is not running is not started to count."""
    browser = await site.browser(GRADER)
    async with serving(site, "[]"):
        assert (await courses(browser))[0]["assignments"] == 0
    formgrader = site.formgraders.get("course101")
    assert formgrader is not None
    course = dataclasses.replace(
        formgrader.course, url=None, token_file=None, directory=tmp_path / "other"
    )
    await site.formgraders.replace({"course101": course})
    (found,) = await courses(browser)
    assert (found["assignments"], found["as_of"], found["state"]) == (None, None, "stopped")


@pytest.mark.parametrize(("user", "named"), [(GRADER, False), (INSTRUCTOR, True)])
async def test_the_last_change(site: Site, user: str, named: bool) -> None:
    """Its author is only named to those who may read the audit log."""
    await (await site.browser(GRADER)).go(PREFIX)
    browser = await site.browser(GRADER)
    await site.send(browser, "PUT", "formgrader/api/grade/1", data="{}")
    await site.send(browser, "PUT", "formgrader/api/comment/1", data="{}")
    (found,) = await courses(await site.browser(user))
    change = found["last_change"]
    assert isinstance(change, dict)
    assert (change["action"], change["user"]) == ("comment", GRADER if named else None)
    page = (await (await site.browser(user)).go(PREFIX)).text
    assert re.search(rf"Active now: [^<]*{GRADER}[^<]*\.\s+Last change: comment", page)


async def test_who_is_grading_now(site: Site) -> None:
    """The users of the last minutes, for the staff of the course."""
    await site.browser(GRADER)
    browser = await site.browser(INSTRUCTOR)
    assert (await courses(browser))[0]["grading_now"] == [GRADER, INSTRUCTOR]
    site.clock.advance(activity.PRESENT_SECONDS + 1)
    assert (await courses(browser))[0]["grading_now"] == []
