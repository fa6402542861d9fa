"""A scripted grader: sends what nbgrader's page sends for a grader who goes through submissions.

It opens a submission, loads its scores and comments, saves a new value of each, and goes to the
next submission. A change that fails is sent again, as the page's script does; see :data:`RETRIED`.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tests.fakes.oauth import xsrf_in
from tests.integration.formgrader_proxy.grading_day.course import NOTEBOOK
from tests.integration.formgrader_proxy.grading_day.journal import Change, Journal, Outcome
from tests.integration.formgrader_proxy.grading_day.site import Site

PAGE = {
    "Accept": "text/html",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
}
#: After these the page's script sends a change again: nothing was saved, or it is not known. The
#: formgrader itself answers with 500 while its database is down.
RETRIED = frozenset({500, 502, 503, 504})
#: The session has ended, or the page's token is not valid any more: the user signs in again.
SIGNED_OUT = frozenset({401, 403})
#: Seconds after which the page says that a change was not saved.
RETRY_SECONDS = 120.0
#: Seconds for one request.
TIMEOUT = aiohttp.ClientTimeout(total=90)

Think = Callable[[float], Awaitable[None]]


@dataclass
class Grader:
    """A user's browser with a page of the course's formgrader."""

    site: Site
    session: aiohttp.ClientSession
    journal: Journal
    think: Think
    assignment: str = "ps1"
    xsrf: str = ""
    #: Saves that were refused for another reason than an outage.
    trouble: list[str] = field(default_factory=list)

    async def open(self, path: str, kind: str = "page") -> tuple[str, str]:
        """Open a page, again while the waiting page is shown; its address and its text."""
        first, text = time.monotonic(), ""
        while True:
            started = time.monotonic()
            try:
                url = URL(self.site.url + path, encoded=True)
                async with self.session.get(url, headers=PAGE, timeout=TIMEOUT) as answer:
                    text, status, at = await answer.text(), answer.status, answer.url.path
            except (aiohttp.ClientError, TimeoutError):
                status = 503
            if status == 200:
                self.xsrf = xsrf_in(text) or self.xsrf
                self.journal.took(kind, started)
                return at, text
            self.expect(status in RETRIED and started - first < RETRY_SECONDS, path, status, text)
            await asyncio.sleep(0.2)

    @staticmethod
    def expect(expected: bool, path: str, status: int, text: str) -> None:
        """:raises AssertionError: the response is none of those of an outage"""
        assert expected, f"{path}: {status} {text[-1500:]}"

    async def load(self, path: str, kind: str = "data") -> Any:
        """Load data as a script of the page does; the grader reloads the page if that fails."""
        first = time.monotonic()
        while True:
            started = time.monotonic()
            try:
                async with self._request("GET", path) as answer:
                    text = await answer.text()
                    if answer.status == 200:
                        self.journal.took(kind, started)
                        return json.loads(text)
                if answer.status in SIGNED_OUT:
                    await self.open("formgrader/gradebook", "sign-in")
                else:
                    retried = answer.status in RETRIED and started - first < RETRY_SECONDS
                    self.expect(retried, path, answer.status, text)
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.2)

    async def submissions(self) -> list[str]:
        """The ids of the submissions of the notebook, in the order of "next"."""
        await self.open(f"formgrader/gradebook/{self.assignment}/{NOTEBOOK}", "list")
        items = await self.load(
            f"formgrader/api/submitted_notebooks/{self.assignment}/{NOTEBOOK}", "list data"
        )
        return sorted(item["id"] for item in items)

    async def visit(self, submission: str) -> list[str]:
        """Open a submission; the paths of what can be changed there."""
        await self.open(f"formgrader/submissions/{submission}/?index=0", "submission")
        return await self.fields(submission)

    async def fields(self, submission: str) -> list[str]:
        """The paths of the scores that are given manually, each with the comment beside it."""
        query = f"?submission_id={submission}"
        grades = await self.load("formgrader/api/grades" + query)
        comments = await self.load("formgrader/api/comments" + query)
        beside = {comment["name"]: comment["id"] for comment in comments}
        paths = []
        for grade in grades:
            if grade["auto_score"] is None:
                paths += [f"grade/{grade['id']}", f"comment/{beside[grade['name']]}"]
        return paths

    async def next(self, submission: str) -> str | None:
        """Go to the next submission; None after the last one, where nbgrader shows the list."""
        at, _ = await self.open(f"formgrader/submissions/{submission}/next?index=0", "next")
        _, found, rest = at.partition("/formgrader/submissions/")
        return rest.partition("/")[0] if found else None

    async def save(self, path: str) -> Change:
        """Save a new value, again until it is acknowledged or reported as not saved."""
        change = self.journal.change(path)
        first = started = time.monotonic()
        while True:
            try:
                status, result = await self._put(change)
            except (aiohttp.ClientError, TimeoutError):
                change.unclear += 1
            else:
                change.status = status
                if status == 200:
                    assert _value(result) == change.value, f"{path}: {result}"
                    change.outcome = Outcome.ACKNOWLEDGED
                    self.journal.took("save", started)
                    return change
                if _not_saved(status, result):
                    change.refused += 1
                else:
                    change.unclear += 1
                if status in SIGNED_OUT:
                    await self.open("formgrader/gradebook", "sign-in")  # in another tab
                elif status not in RETRIED:
                    self.trouble.append(f"{path}: {status} {str(result)[:300]}")
                    break
            if time.monotonic() - first > RETRY_SECONDS:
                break
            await asyncio.sleep(0.5)
        change.outcome = Outcome.REPORTED
        return change

    async def _put(self, change: Change) -> tuple[int, Any]:
        if change.path.startswith("grade/"):
            body: dict[str, Any] = {"manual_score": float(change.value), "extra_credit": None}
        else:
            body = {"manual_comment": f"comment {change.value}"}
        async with self._request("PUT", f"formgrader/api/{change.path}", body) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.status == 200 else text

    async def post(self, path: str) -> tuple[int, str]:
        """Send an action, such as autograding; its status and its text."""
        async with self._request("POST", f"formgrader/api/{path}") as answer:
            return answer.status, await answer.text()

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        headers = {
            "X-CSRFToken": self.xsrf,
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Sec-Fetch-Site": "same-origin",
            "Origin": self.site.hub.url.rstrip("/"),
        }
        data = None if body is None else json.dumps(body)
        url = URL(self.site.url + path, encoded=True)
        return self.session.request(
            method, url, data=data, headers=headers, timeout=TIMEOUT, middlewares=(_once,)
        )


def _not_saved(status: int, text: str) -> bool:
    """Whether a response says that nothing was saved."""
    if status < 500:  # refused: not signed in, or not permitted
        return True
    try:
        return json.loads(text).get("saved", None) is False
    except (ValueError, AttributeError):
        return status == 503  # of the proxy in front of the service


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request once. Otherwise aiohttp repeats a PUT after a broken connection by itself."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise aiohttp.ClientError(type(error).__name__) from error


def _value(result: dict[str, Any]) -> int:
    """The value that nbgrader says it has saved."""
    if "manual_score" in result:
        return int(result["manual_score"])
    return int(str(result["manual_comment"]).rpartition(" ")[2])


@asynccontextmanager
async def grader(
    site: Site, name: str, journal: Journal, think: Think = asyncio.sleep
) -> AsyncIterator[Grader]:
    """A grader who is signed in. ``think`` waits for the seconds that a person would take."""
    async with site.hub.login(name) as session:
        yield Grader(site, session, journal, think)
