"""An assignment goes round in the demo: released, fetched, submitted, collected and autograded."""

import asyncio
import re
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from tests.integration.realhub import BROWSER, sign_in

COURSE, ASSIGNMENT, STUDENT = "course101", "ps1", "ada"
FORMGRADER = f"services/formgrader/{COURSE}/formgrader"


async def assignment_goes_round(
    url: str, state: Path, instructor: str, staff_password: str, student_password: str
) -> None:
    """Through the pages' own requests, by an instructor and by a student in JupyterLab.

    ``url`` is the hub's, with a slash at the end.
    """
    async with _browser() as staff, _browser() as student:
        await sign_in(staff, url, instructor, staff_password)
        await sign_in(student, url, STUDENT, student_password)
        lab = _Lab(student, f"{url}user/{STUDENT}/")
        await lab.start(url)
        assert [one["assignment_id"] for one in await lab.assignments()] == [ASSIGNMENT]
        for action in ("unrelease", "release"):
            await _act(staff, url, f"assignment/{ASSIGNMENT}/{action}")
            found = [one["status"] for one in await lab.assignments()]
            assert found == ([] if action == "unrelease" else ["released"])
        assert [one["status"] for one in await lab.act("fetch")] == ["fetched"]
        assert (state / "homes" / STUDENT / ASSIGNMENT).is_dir()
        submitted = state / COURSE / "submitted" / STUDENT / ASSIGNMENT / "timestamp.txt"
        before = submitted.read_text()
        statuses = {one["status"] for one in await lab.act("submit")}
        assert "submitted" in statuses
        await _act(staff, url, f"assignment/{ASSIGNMENT}/collect")
        assert submitted.read_text() > before
        await _act(staff, url, f"submission/{ASSIGNMENT}/{STUDENT}/autograde")


def _browser() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers=BROWSER)


async def _act(session: aiohttp.ClientSession, url: str, path: str) -> None:
    """A button of nbgrader's pages, which has to succeed."""
    async with asyncio.timeout(120):
        while True:
            async with session.get(f"{url}{FORMGRADER}/manage_assignments") as page:
                found = re.search(r'name="formgrader-xsrf" content="([^"]+)"', await page.text())
            if found:
                break
            await asyncio.sleep(0.2)  # the formgrader is starting
    headers = {"X-CSRFToken": found[1], "Origin": url.rstrip("/")}
    async with session.post(f"{url}{FORMGRADER}/api/{path}", headers=headers) as answer:
        text = await answer.text()
        assert answer.status == 200, text
        assert (await answer.json(content_type=None))["success"], text


class _Lab:
    """nbgrader's assignment list in a student's JupyterLab."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def start(self, hub: str) -> None:
        """Start the server and wait for JupyterLab's page, which sets the XSRF cookie."""
        async with self._session.get(hub + "hub/spawn") as page:
            assert page.status == 200, page.url
        async with asyncio.timeout(120):
            while True:
                async with self._session.get(self._url + "lab") as page:
                    if page.status == 200 and "jupyter-config-data" in await page.text():
                        return
                await asyncio.sleep(0.2)

    async def assignments(self) -> list[dict[str, Any]]:
        """The assignments that the student can see."""
        async with self._session.get(f"{self._url}assignments?course_id={COURSE}") as answer:
            return _value(await answer.json(content_type=None))

    async def act(self, action: str) -> list[dict[str, Any]]:
        """Fetch or submit the assignment; returns the list afterwards."""
        cookies = self._session.cookie_jar.filter_cookies(URL(self._url))
        async with self._session.post(
            f"{self._url}assignments/{action}",
            params={"course_id": COURSE, "assignment_id": ASSIGNMENT},
            headers={"X-XSRFToken": cookies["_xsrf"].value},
        ) as answer:
            assert answer.status == 200, await answer.text()
            return _value(await answer.json(content_type=None))


def _value(answer: dict[str, Any]) -> list[dict[str, Any]]:
    assert answer["success"], answer
    found: list[dict[str, Any]] = answer["value"]
    return found
