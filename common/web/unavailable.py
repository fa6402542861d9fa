"""What a service serves while it cannot work: 503 with the reason, at every address.

JupyterHub 5 and 6 exit if a managed service does not listen, or responds to their first request
with 5xx. That request is not a browser's and is for the service's first page; it is redirected to
``ready``, which has the status 503.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from common.oauth.request import wants_page
from common.web.pages import PAGES, Pages, render
from common.web.security_headers import add_security_headers
from common.web.server import Bind, serve

RETRY_SECONDS = 10
"""When clients should try again."""


@dataclass(frozen=True)
class Place:
    """Where a service serves its pages: address, path, title, and the Hub's URL in links."""

    bind: Bind
    prefix: str
    title: str
    hub_url: str


@asynccontextmanager
async def unavailable(place: Place, reasons: Callable[[], Sequence[str]]) -> AsyncIterator[None]:
    """Respond to every request with 503 and the current reasons while the context is open.

    Raises OSError if the address is not available.
    """
    async with serve(_application(place, reasons), place.bind):
        yield


def _application(place: Place, reasons: Callable[[], Sequence[str]]) -> web.Application:
    title = f"{place.title}: not available at the moment"

    async def refuse(request: web.Request) -> web.StreamResponse:
        if wants_page(request, place.prefix):
            return render(
                request,
                "unavailable.html",
                status=503,
                headers=headers,
                title=title,
                reasons=reasons(),
            )
        if request.path == place.prefix and request.method in ("GET", "HEAD"):
            raise web.HTTPFound(place.prefix + "ready")
        body = {"status": "not ready", "reasons": {"service": " ".join(reasons())}}
        return web.json_response(body, status=503, headers=headers)

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    headers = {"Retry-After": str(RETRY_SECONDS)}
    app = web.Application()
    app[PAGES] = Pages(place.prefix, title=place.title, hub_url=place.hub_url)
    app.on_response_prepare.append(add_security_headers)
    app.router.add_get(place.prefix + "health", health)
    app.router.add_get(place.prefix + "static/{name:.+}", app[PAGES].serve_static)
    app.router.add_route("*", "/{path:.*}", refuse)
    return app
