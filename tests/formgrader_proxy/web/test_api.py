"""``api/courses``: the courses of a user, as JSON."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.formgrader_proxy.web import api
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
    site: Site, body: str, *, delay: asyncio.Event | None = None
) -> AsyncIterator[None]:
    """Replace the course's formgrader by one that sends this list of assignments."""

    async def assignments(_request: web.Request) -> web.Response:
        if delay is not None:
            await delay.wait()
        return web.Response(text=body)

    app = web.Application()
    app.router.add_get("/{tail:.*}api/assignments", assignments)
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
    monkeypatch.setattr(api, "COUNT_SECONDS", 0.05)
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
