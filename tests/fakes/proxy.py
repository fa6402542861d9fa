"""A fake of configurable-http-proxy's routes API: a real server on port 0."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import unquote

from aiohttp import web
from aiohttp.test_utils import TestServer


class FakeProxy:
    """``async with FakeProxy() as proxy``; :meth:`restart` loses every route, like a real restart.

    It does not respond while ``answering`` is cleared. Each status in ``failures`` is the response
    to one request.
    """

    token = "fake-proxy-token"

    def __init__(self) -> None:
        self.routes: dict[str, dict[str, Any]] = {}
        self.posts = 0
        self.failures: list[int] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.port = 0
        self._server: TestServer | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(middlewares=[self._authorise])
        app.router.add_get("/api/routes", self._all)
        app.router.add_get("/api/routes/{path:.*}", self._get)
        app.router.add_post("/api/routes/{path:.*}", self._post)
        app.router.add_delete("/api/routes/{path:.*}", self._delete)
        self._server = TestServer(app, port=self.port or None)
        await self._server.start_server(shutdown_timeout=0.1)
        self.port = self._server.port or 0

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()
            self._server = None

    async def restart(self) -> None:
        await self.stop()
        self.routes.clear()
        await self.start()

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"token {self.token}":
            return web.Response(status=403)
        await self.answering.wait()
        if self.failures:
            return web.Response(status=self.failures.pop(0))
        answer: web.StreamResponse = await handler(request)
        return answer

    def _path(self, request: web.Request) -> str:
        return "/" + unquote(request.raw_path.removeprefix("/api/routes").strip("/"))

    async def _all(self, request: web.Request) -> web.Response:
        return web.json_response(self.routes)

    async def _get(self, request: web.Request) -> web.Response:
        entry = self.routes.get(self._path(request))
        return web.Response(status=404) if entry is None else web.json_response(entry)

    async def _post(self, request: web.Request) -> web.Response:
        try:
            entry = json.loads(await request.text())
        except ValueError:
            return web.Response(status=400)
        if not isinstance(entry, dict) or "target" not in entry:
            return web.Response(status=400)
        self.posts += 1
        entry["last_activity"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self.routes[self._path(request)] = entry
        return web.Response(status=201)

    async def _delete(self, request: web.Request) -> web.Response:
        gone = self.routes.pop(self._path(request), None)
        return web.Response(status=404 if gone is None else 204)
