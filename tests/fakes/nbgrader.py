"""A formgrader of one course that answers nbgrader's long requests as a test decides."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

#: Closes the connection without a response, as a process that dies.
DIES = "dies"


class FakeNbgrader:
    """Requests in ``held`` wait until the test releases them. ``results`` are by student.

    ``begun`` lists the requests as "action/student", ``most`` how many ran at the same time.
    """

    def __init__(self) -> None:
        self.students: dict[str, bool] = {}
        self.results: dict[str, dict[str, Any] | str | int] = {}
        self.held: set[str] = set()
        self.begun: list[str] = []
        self.now: set[str] = set()
        self.most = 0
        self.url = ""
        self._released: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._changed = asyncio.Event()

    def release(self, student: str) -> None:
        """Answer the request about this student."""
        self.held.discard(student)
        self._released[student].set()

    async def until_begun(self, *requests: str) -> None:
        """Wait until these requests have been received."""
        async with asyncio.timeout(30):
            while not set(requests) <= set(self.begun):
                self._changed.clear()
                await self._changed.wait()

    async def submissions(self, request: web.Request) -> web.Response:
        found = [
            {"student": student, "autograded": autograded, "name": request.match_info["name"]}
            for student, autograded in self.students.items()
        ]
        return web.Response(text=json.dumps(found), content_type="text/html")

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text="<p>nbgrader", content_type="text/html")

    async def change(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "token secret"
        parts = request.path.partition("/formgrader/api/")[2].split("/")
        student = parts[2] if len(parts) == 4 else ""
        name = f"{parts[-1]}/{student}"
        self.begun.append(name)
        self.now.add(name)
        self.most = max(self.most, len(self.now))
        self._changed.set()
        try:
            if student in self.held:
                await self._released[student].wait()
        finally:
            self.now.discard(name)
        result = self.results.get(student, {"success": True, "log": "[INFO] fine"})
        if result == DIES:
            assert request.transport is not None
            request.transport.abort()
        if isinstance(result, int):
            return web.Response(status=result)
        return web.Response(text=json.dumps(result), content_type="text/html")


@asynccontextmanager
async def fake_nbgrader() -> AsyncIterator[FakeNbgrader]:
    """A running one."""
    fake = FakeNbgrader()
    app = web.Application()
    app.router.add_get("/{_:.*}/formgrader/api/submissions/{name}", fake.submissions)
    app.router.add_get("/{_:.*}/formgrader", fake.page)
    app.router.add_post("/{_:.*}/formgrader/api/{what:.*}", fake.change)
    async with TestServer(app, handler_cancellation=True) as server:
        fake.url = f"http://127.0.0.1:{server.port}"
        yield fake
