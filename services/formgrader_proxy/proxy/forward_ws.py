"""Forwarding one WebSocket to an upstream.

The upstream is connected before the client is accepted, so a refusal is an ordinary response
with its status. Frames are forwarded unchanged, pings and pongs included. Each is sent before
the next one is read, which is the back-pressure.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
from yarl import URL

from services.formgrader_proxy.upstream.connection_pool import RequestFields
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable

#: Close codes that must not appear in a close frame, RFC 6455 section 7.4.1.
_RESERVED = frozenset({1005, 1006, 1015})
_HANDSHAKE = frozenset(
    {
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
    }
)
CLOSE_SECONDS = 5.0


class UpstreamRefusedWebSocket(Exception):
    """The upstream responded to the handshake with a status instead of accepting."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"the upstream responded to the WebSocket handshake with {status}")


async def forward_ws(
    request: web.Request,
    upstream: Upstream,
    raw_target: str,
    fields: RequestFields,
    *,
    until: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> web.WebSocketResponse:
    """Forward frames both ways until one side closes, or until ``until`` returns.

    In the latter case the client receives the close code 1008, a policy violation.

    :raises UpstreamUnreachable: no connection to the upstream could be made
    :raises UpstreamRefusedWebSocket: the upstream responded to the handshake with a status
    """
    protocols = [
        name.strip()
        for value in request.headers.getall("Sec-WebSocket-Protocol", [])
        for name in value.split(",")
        if name.strip()
    ]
    origin = "ws" + upstream.origin.removeprefix("http")
    if upstream.session.closed:  # it was stopped a moment ago
        raise UpstreamUnreachable("its connections are closed")
    try:
        there = await upstream.session.ws_connect(
            URL(origin + raw_target, encoded=True),
            headers=fields.without(_HANDSHAKE).headers,
            protocols=protocols,
            autoping=False,
            autoclose=False,
            max_msg_size=0,
        )
    except aiohttp.WSServerHandshakeError as error:
        raise UpstreamRefusedWebSocket(error.status) from error
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UpstreamUnreachable(type(error).__name__) from error
    here = web.WebSocketResponse(
        protocols=[there.protocol] if there.protocol else [],
        autoping=False,
        autoclose=False,
        max_msg_size=0,
        timeout=CLOSE_SECONDS,
    )
    watch = asyncio.create_task(until()) if until is not None else None
    try:
        await here.prepare(request)
        with upstream.streaming():
            await _relay_both(here, there, watch)
    finally:
        if watch is not None:
            watch.cancel()
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            await asyncio.wait_for(there.close(code=WSCloseCode.GOING_AWAY), CLOSE_SECONDS)
    return here


_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _relay_both(
    here: web.WebSocketResponse,
    there: aiohttp.ClientWebSocketResponse,
    watch: asyncio.Task[None] | None,
) -> None:
    """Relay until one side closes, whose code then closes the other, or ``watch`` completes."""
    directions = {
        asyncio.create_task(_relay(here, there)),
        asyncio.create_task(_relay(there, here)),
    }
    ends = directions | ({watch} if watch else set())
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in directions:
            task.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
    if watch is not None and watch.done():
        await here.close(code=WSCloseCode.POLICY_VIOLATION)


async def _relay(source: _Socket, sink: _Socket) -> None:
    while True:
        message = await source.receive()
        try:
            match message.type:
                case WSMsgType.TEXT:
                    await sink.send_str(message.data)
                case WSMsgType.BINARY:
                    await sink.send_bytes(message.data)
                case WSMsgType.PING:
                    await sink.ping(message.data)
                case WSMsgType.PONG:
                    await sink.pong(message.data)
                case WSMsgType.CLOSE:
                    await sink.close(code=_sendable(message.data), message=_reason(message.extra))
                    await source.close(code=_sendable(message.data))
                    return
                case _:
                    await sink.close(code=_sendable(source.close_code))
                    return
        except (ConnectionError, aiohttp.ClientError):
            await source.close(code=WSCloseCode.GOING_AWAY)
            return


def _sendable(code: int | None) -> int:
    """The close code for the other side. A reserved code means that the connection was lost."""
    if code is None or code in _RESERVED:
        return WSCloseCode.GOING_AWAY if code != 1005 else WSCloseCode.OK
    return code


def _reason(text: str | None) -> bytes:
    return (text or "").encode()
