"""Listen on an address, serve an application there, and log each request on one line."""

import errno
import gc
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

SHUTDOWN_SECONDS = 3.0

_access = logging.getLogger("access")


@dataclass(frozen=True)
class Bind:
    """The address to listen on. Port 0 selects any free port."""

    host: str = "127.0.0.1"
    port: int = 0
    ssl: SSLContext | None = field(default=None, repr=False)


@asynccontextmanager
async def serve(
    app: web.Application, bind: Bind, *, cancel_with_client: bool = False
) -> AsyncIterator[int]:
    """Serve ``app`` while the context is open; yields the port.

    Raises OSError if the address is not available. At exit, requests in progress have 3 s to
    finish. ``cancel_with_client`` cancels a handler whose client disconnects.
    """
    runner = web.AppRunner(
        app,
        access_log_class=AccessLogger,
        access_log=_access,
        handle_signals=False,
        handler_cancellation=cancel_with_client,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, bind.host, bind.port, ssl_context=bind.ssl)
        try:
            await site.start()
        except (socket.gaierror, UnicodeError) as error:
            raise OSError(
                errno.EADDRNOTAVAIL,
                f"--ip: {bind.host!r} is no address of this machine. Write 127.0.0.1, or 0.0.0.0"
                " for all addresses",
            ) from error
        gc.freeze()  # what exists now stays until the end: later collections skip it
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


class AccessLogger(AbstractAccessLogger):
    """``GET /services/cull/ 200 1234B 5ms``, without query, headers and client address."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        quiet = response.status < 400 and request.path.endswith(("/health", "/ready", "/metrics"))
        self.logger.log(
            logging.DEBUG if quiet else logging.INFO,
            "%s %s %d %dB %dms",
            request.method,
            request.path,
            response.status,
            response.body_length,
            time * 1000,
        )
