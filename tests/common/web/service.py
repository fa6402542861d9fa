"""A service without sign-in, and a client that visits it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.server import Bind, serve

PREFIX = "/services/cull/"
#: The headers of a browser that opens a page, and of a program.
BROWSER = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html,*/*"}
PROGRAM = {"Accept": "*/*"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """A running service, and a client for it."""

    def __init__(self, origin: str, session: aiohttp.ClientSession, readiness: Readiness) -> None:
        self.origin, self.session, self.readiness = origin, session, readiness

    async def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", **more: Any
    ) -> tuple[int, str, Any]:
        """Send a request, by default as a program: status, text and headers of the response."""
        url = URL(self.origin + path, encoded=True)
        async with self.session.request(
            method, url, headers=headers or PROGRAM, allow_redirects=False, **more
        ) as response:
            return response.status, await response.text(), response.headers


def make_app(**options: Any) -> web.Application:
    """An application without sign-in; ``options`` are those of create_app."""
    standard: dict[str, Any] = {
        "prefix": PREFIX,
        "metrics": Metrics("cull"),
        "readiness": Readiness(),
        "sign_in": None,
        "authenticate_prometheus": True,
        "title": "Idle culler",
    }
    return create_app(**(standard | options))


@asynccontextmanager
async def running(
    handlers: dict[str, Handler] | None = None,
    prepare: Callable[[web.Application], None] = lambda app: None,
    **options: Any,
) -> AsyncIterator[Service]:
    """Serve ``handlers``, by path below the prefix, in an application of :func:`make_app`."""
    readiness = Readiness()
    app = make_app(readiness=readiness, **options)
    for path, handler in (handlers or {}).items():
        app.router.add_route("*", PREFIX + path, handler)
    prepare(app)
    async with serve(app, Bind()) as port, aiohttp.ClientSession() as session:
        yield Service(f"http://127.0.0.1:{port}", session, readiness)


def raising(error: Exception) -> Handler:
    """A handler that raises this error."""

    async def handler(_request: web.Request) -> web.Response:
        raise error

    return handler
