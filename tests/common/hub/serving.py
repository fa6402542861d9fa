"""A real HTTP server for tests of requests: every request goes to one handler."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from common.hub.connection import plain_url
from common.hub.http import HUB_ERRORS, Api, OnAttempt, Request, Response
from common.hub.retry import NO_RETRY, Retry
from tests.fakes.clock import FakeClock

TOKEN = "s3cret-token"
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(
    handler: Handler, *, path: Path | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server on a free port, or on a Unix socket at ``path``; yields its API URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site: web.BaseSite
    if path is not None:
        site = web.UnixSite(runner, str(path))
    else:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        if path is not None:
            yield f"http+unix://{quote(str(path), safe='')}/hub/api"
        else:
            port = runner.addresses[0][1]
            yield f"{'https' if context else 'http'}://127.0.0.1:{port}/hub/api"
    finally:
        await runner.cleanup()


async def send(
    url: str,
    session: aiohttp.ClientSession,
    *,
    method: str = "GET",
    retry: Retry = NO_RETRY,
    clock: FakeClock | None = None,
    timeout_seconds: float = 60.0,
    on_attempt: OnAttempt | None = None,
) -> Response:
    """Send one request with the Hub's error types, without retries unless a test asks for them."""
    clock = clock or FakeClock(skip=True)
    api = Api(session, TOKEN, HUB_ERRORS, clock, retry, timeout_seconds)
    request = Request(method, URL(plain_url(url), encoded=True))
    return await api.send(request, on_attempt=on_attempt)


async def echo_path(request: web.BaseRequest) -> web.Response:
    """Respond with the path exactly as it was received."""
    return web.Response(text=request.raw_path)
