"""A page of the course in a scripted browser, which sends requests as the scripts of the page do.

The rules are those of rendering/static/saving.js: a change is sent until the server has it, and a
page whose sign-in has ended gets a new token after the user has signed in again in another tab.
"""

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from tests.fakes.oauth import xsrf_in
from tests.integration.formgrader_proxy.grading_day.journal import Change, Journal, Outcome
from tests.integration.formgrader_proxy.grading_day.site import Site

NAVIGATION = {
    "Accept": "text/html",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
}
#: Seconds for one request; the service holds a change for a minute.
TIMEOUT = aiohttp.ClientTimeout(total=150)
#: Seconds until a change is sent again: doubling from the first up to the second.
DELAYS = (1.0, 30.0)
#: Seconds after which this grader gives up. A page would say "Not saved" and go on.
GIVE_UP_SECONDS = 240.0


def is_temporary(status: int) -> bool:
    """Whether the page sends a change again after this status; 0 is no response."""
    return status in {0, 408, 429} or status >= 500


def delay(attempt: int) -> float:
    """Seconds until the next attempt, after so many."""
    return min(DELAYS[1], DELAYS[0] * 2.0**attempt)


@dataclass
class Reply:
    """A response; the status is 0 without one. ``data``: its JSON."""

    status: int
    text: str = ""
    data: Any = None


@dataclass
class Page:
    """A user's browser with a page of the course."""

    site: Site
    session: aiohttp.ClientSession
    journal: Journal
    xsrf: str = ""
    #: Proves to the service that this is a page of its user, and where to send it.
    key: str = ""
    own_path: str = ""

    async def open(self, path: str, kind: str = "page") -> tuple[str, str]:
        """Open a page, again while the waiting page is shown; its address and its text."""
        first, at, text = time.monotonic(), "", ""
        while True:
            started = time.monotonic()
            try:
                url = URL(self.site.url + path, encoded=True)
                async with self.session.get(url, headers=NAVIGATION, timeout=TIMEOUT) as answer:
                    text, status, at = await answer.text(), answer.status, answer.url.path
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            if status == 200:
                self._adopt(text)
                self.journal.took(kind, started)
                return at, text
            patient = is_temporary(status) and started - first < GIVE_UP_SECONDS
            assert patient, f"{path}: {status} {text[-1500:]}"
            await asyncio.sleep(0.3)

    def _adopt(self, text: str) -> None:
        self.xsrf = xsrf_in(text) or self.xsrf
        found = re.search(r'name="formgrader-page" content="([^"]*)" data-own-path="([^"]*)"', text)
        if found:
            self.key, self.own_path = found.groups()

    async def load(self, path: str, kind: str = "data") -> Any:
        """Load data, again until it is there."""
        first, attempt = time.monotonic(), 0
        while True:
            started = time.monotonic()
            reply = await self.send("GET", path)
            if reply.status == 200:
                self.journal.took(kind, started)
                return reply.data
            if reply.status in {401, 403}:
                assert await self.renew(), f"{path}: {reply}"
            assert is_temporary(reply.status) or reply.status in {401, 403}, f"{path}: {reply}"
            assert started - first < GIVE_UP_SECONDS, f"{path}: {reply}"
            await asyncio.sleep(delay(attempt))
            attempt += 1

    async def save(self, path: str) -> Change:
        """Save a new value, again until it is acknowledged; or give up and report that."""
        change = self.journal.change(path)
        started, attempt = time.monotonic(), 0
        while True:
            reply = await self.send("PUT", f"formgrader/api/{path}", _body(change))
            if reply.status in {401, 403} and await self.renew():
                change.refused += 1
                reply = await self.send("PUT", f"formgrader/api/{path}", _body(change))
            change.status = reply.status
            if reply.status == 200 and reply.data is not None:
                assert _value(reply.data) == change.value, f"{path}: {reply}"
                change.outcome = Outcome.ACKNOWLEDGED
                self.journal.took("save", started)
                return change
            change.tried(not_saved=_not_saved(reply))
            if not is_temporary(reply.status) or time.monotonic() - started > GIVE_UP_SECONDS:
                change.outcome, change.text = Outcome.REPORTED, reply.text[:300]
                return change
            await asyncio.sleep(delay(attempt))
            attempt += 1

    async def renew(self) -> bool:
        """Get a new XSRF token, after signing in again in another tab if that is necessary."""
        token = await self._token()
        if token.status == 401:
            origin = self.site.hub.url.rstrip("/")
            url = URL(f"{origin}{self.own_path}signed-in", encoded=True)
            async with self.session.get(url, headers=NAVIGATION, timeout=TIMEOUT):
                token = await self._token()
        if token.status == 200:
            self.xsrf = token.data["token"]
        return token.status == 200

    async def _token(self) -> Reply:
        origin = self.site.hub.url.rstrip("/")
        headers = {"X-Formgrader-Page": self.key}
        return await self._request("POST", f"{origin}{self.own_path}xsrf-token", headers)

    async def send(self, method: str, path: str, body: Any = None) -> Reply:
        """A request to the course, such as an action of an instructor, sent once."""
        headers = {"X-CSRFToken": self.xsrf, "Content-Type": "application/json"}
        return await self._request(method, self.site.url + path, headers, body)

    async def _request(
        self, method: str, url: str, headers: dict[str, str], body: Any = None
    ) -> Reply:
        headers |= {
            "Accept": "application/json",
            "X-Requested-With": "XMLHttpRequest",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Dest": "empty",
            "Sec-Fetch-Site": "same-origin",
            "Origin": self.site.hub.url.rstrip("/"),
        }
        data = None if body is None else json.dumps(body)
        try:
            async with self.session.request(
                method,
                URL(url, encoded=True),
                data=data,
                headers=headers,
                timeout=TIMEOUT,
                allow_redirects=False,
                middlewares=(_once,),
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return Reply(0)
        if 300 <= answer.status < 400:  # a browser does not show it to the script
            return Reply(0)
        try:
            return Reply(answer.status, text, json.loads(text))
        except ValueError:
            return Reply(answer.status, text)


def _not_saved(reply: Reply) -> bool:
    """Whether a response says that nothing was saved.

    The Hub's proxy also sends 503 if the service ends while it handles a request.
    """
    if isinstance(reply.data, dict) and "saved" in reply.data:
        return reply.data["saved"] is False
    return 400 <= reply.status < 500


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request once. Otherwise aiohttp repeats a PUT after a broken connection by itself."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectionError, OSError) as error:
        raise aiohttp.ClientError(type(error).__name__) from error


def _body(change: Change) -> dict[str, Any]:
    if change.path.startswith("grade/"):
        return {"manual_score": float(change.value), "extra_credit": None}
    return {"manual_comment": f"comment {change.value}"}


def _value(result: dict[str, Any]) -> int:
    """The value that nbgrader says it has saved."""
    if "manual_score" in result:
        return int(result["manual_score"])
    return int(str(result["manual_comment"]).rpartition(" ")[2])
