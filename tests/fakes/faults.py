"""Faults of a fake server."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Fault:
    """A fault for the next ``times`` matching requests.

    ``kind``: "status" (with ``status``, ``headers``, ``body``), "body" (200 with ``body``),
    "cut" (the body ends early), "hang" (no response until released), "reset" (the connection is
    closed), "drop_after" (the request is processed, but the response is lost).
    """

    kind: str
    method: str = "GET"
    path: str = ""
    times: int = 1
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def matches(self, request: web.Request) -> bool:
        return (
            self.times > 0
            and self.method in {"*", request.method}
            and self.path in request.raw_path
        )


async def misbehave(
    fault: Fault, request: web.Request, handler: Any, release: asyncio.Event
) -> web.StreamResponse:
    """Apply the fault. A "hang" ends when ``release`` is set."""
    if fault.kind == "status":
        return web.Response(status=fault.status, headers=fault.headers, text=fault.body)
    if fault.kind == "body":
        return web.Response(text=fault.body, content_type="application/json")
    if fault.kind == "hang":
        await release.wait()
        raise ConnectionResetError
    if fault.kind == "drop_after":
        await handler(request)
    if fault.kind == "cut":
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        await response.prepare(request)
        await response.write(b'{"items": [{"name":')
    assert request.transport is not None
    request.transport.close()
    return web.Response()
