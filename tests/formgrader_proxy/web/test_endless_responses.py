"""Neither the code of a course, which can take over its formgrader, nor a user exhausts memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.formgrader_proxy.site import INSTRUCTOR, PREFIX, STUDENT, Site, formgrader_site

OWN = PREFIX + "courses/course101/"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with formgrader_site(tmp_path) as site:
        yield site


async def test_grades_without_an_end_are_not_exported(site: Site) -> None:
    browser = await site.browser(INSTRUCTOR)
    site.endless = True
    async with asyncio.timeout(60):
        answer = await browser.go(OWN + "grades.csv")
    assert (answer.status, "cannot be reached" in answer.text) == (502, True)


async def test_a_job_of_endless_submissions_is_not_started(site: Site) -> None:
    browser = await site.browser(INSTRUCTOR)
    site.endless = True
    page = await browser.go(OWN + "jobs")  # asks for the assignments
    assert page.status == 200
    token = page.text.split('name="xsrf-token" content="', 1)[1].partition('"')[0]
    async with asyncio.timeout(60):
        answer = await browser.fetch(
            OWN + "jobs",
            method="POST",
            headers={"X-XSRFToken": token, "Content-Type": "application/json"},
            data=json.dumps({"assignment": "ps1"}),
        )
    assert (answer.status, "Nothing was started" in answer.text) == (503, True)


async def test_endless_figures_do_not_delay_the_list_of_courses(site: Site) -> None:
    """They stay unknown."""
    browser = await site.browser(INSTRUCTOR)
    site.endless = True
    async with asyncio.timeout(60):
        page = await browser.go(PREFIX)
    assert (page.status, "assignments" in page.text) == (200, False)


async def test_a_form_without_an_end_is_refused(site: Site) -> None:
    """Signing out takes a form, which is in memory before the XSRF token in it can be checked."""
    browser = await site.browser(STUDENT)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 64 * 1024

    async with asyncio.timeout(60):
        with suppress(aiohttp.ClientError):  # the connection is closed while it is being sent
            answer = await browser.fetch(
                PREFIX + "logout",
                method="POST",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                data=endless(),
            )
            assert answer.status == 413
