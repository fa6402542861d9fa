"""One WebSocket, carried to an upstream and back.

The upstream is dialled before the client is accepted, so a refusal is an ordinary
answer with its status. Frames go on as they come, pings and pongs too, each awaited
before the next is read: that is the back-pressure.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

from services.formgrader_proxy.proxy.forward_http import Upstream, UpstreamUnreachable

#: Close codes that may not stand in a close frame, RFC 6455 7.4.1.
_NOT_SENT = frozenset({1005, 1006, 1015})
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
    """The upstream answered the handshake with a status instead."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"the upstream answered the WebSocket handshake with {status}")


async def forward_ws(
    request: web.Request,
    upstream: Upstream,
    raw_target: str,
    headers: CIMultiDict[str],
    *,
    until: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> web.WebSocketResponse:
    """Carry frames both ways until one side closes, or until ``until`` returns.

    The client is then told that it breaks a policy (1008).

    :raises UpstreamUnreachable: the upstream cannot be dialled
    :raises UpstreamRefusedWebSocket: it answered with a status, kept in the error
    """
    protocols = [
        name.strip()
        for value in request.headers.getall("Sec-WebSocket-Protocol", [])
        for name in value.split(",")
        if name.strip()
    ]
    for name in _HANDSHAKE & {name.lower() for name in headers}:
        headers.popall(name)
    origin = "ws" + upstream.origin.removeprefix("http")
    try:
        there = await upstream.session.ws_connect(
            URL(origin + raw_target, encoded=True),
            headers=headers,
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
        await _carry_both(here, there, watch)
    finally:
        if watch is not None:
            watch.cancel()
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            await asyncio.wait_for(there.close(code=WSCloseCode.GOING_AWAY), CLOSE_SECONDS)
    return here


_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _carry_both(
    here: web.WebSocketResponse,
    there: aiohttp.ClientWebSocketResponse,
    watch: asyncio.Task[None] | None,
) -> None:
    """Until one side closes, whose code then closes the other, or the watch ends it."""
    directions = {
        asyncio.create_task(_carry(here, there)),
        asyncio.create_task(_carry(there, here)),
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


async def _carry(source: _Socket, sink: _Socket) -> None:
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
    """The code for the other side: one that may not be sent means that a side was lost."""
    if code is None or code in _NOT_SENT:
        return WSCloseCode.GOING_AWAY if code != 1005 else WSCloseCode.OK
    return code


def _reason(text: str | None) -> bytes:
    return (text or "").encode()
