"""Forwarding a WebSocket to an upstream, between real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

from services.formgrader_proxy.proxy.forward_ws import UpstreamRefusedWebSocket, forward_ws
from services.formgrader_proxy.upstream.connection_pool import RequestFields
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECONDS = 10


@asynccontextmanager
async def relayed(handler: Handler | None, *, ended: bool = False) -> AsyncIterator[str]:
    """The address of a relay; without a handler there is no upstream.

    ``ended``: the connections to it were closed after the relay had chosen it.
    """
    upstream_app = web.Application()
    if handler is not None:
        upstream_app.router.add_get("/ws", handler)
    server = TestServer(upstream_app)
    await server.start_server()
    port = server.port
    if handler is None:
        await server.close()
    upstream = Upstream.at(f"http://127.0.0.1:{port}", None)
    if ended:
        await upstream.close()

    async def pass_on(request: web.Request) -> web.StreamResponse:
        headers = CIMultiDict({"Sec-WebSocket-Key": "never passed on", "X-Own": "1"})
        fields = RequestFields(headers)
        try:
            return await forward_ws(request, upstream, request.raw_path, fields)
        except UpstreamRefusedWebSocket as error:
            return web.Response(status=error.status)
        except UpstreamUnreachable:
            return web.Response(status=502)

    relay_app = web.Application()
    relay_app.router.add_get("/ws", pass_on)
    relay = TestServer(relay_app)
    await relay.start_server()
    try:
        yield f"http://127.0.0.1:{relay.port}/ws"
    finally:
        await relay.close()
        await upstream.close()
        await server.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Sends every message back."""
    socket = web.WebSocketResponse(protocols=["one", "two"], max_msg_size=0)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        else:
            await socket.send_bytes(message.data)
    return socket


async def test_messages_pass_both_ways_unchanged(client: aiohttp.ClientSession) -> None:
    """Text stays text, bytes stay bytes, in order and beyond the usual size limit."""
    async with relayed(echo) as url, client.ws_connect(url, max_msg_size=0) as socket:
        for text in ("", "héllo", "x" * 5_000_000):
            await socket.send_str(text)
            assert await socket.receive_str(timeout=SECONDS) == text
        await socket.send_bytes(b"\x00\xff")
        assert await socket.receive_bytes(timeout=SECONDS) == b"\x00\xff"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["two"], "two"), (["zero", "one"], "one"), (["zero"], None), ([], None)],
)
async def test_the_upstream_chooses_the_subprotocol(
    client: aiohttp.ClientSession, offered: list[str], chosen: str | None
) -> None:
    """The client's offers are forwarded, and the upstream's choice is returned."""
    async with relayed(echo) as url, client.ws_connect(url, protocols=offered) as socket:
        assert socket.protocol == chosen


async def test_pings_reach_the_other_side(client: aiohttp.ClientSession) -> None:
    """The upstream answers a ping, with its payload."""
    async with relayed(echo) as url, client.ws_connect(url, autoping=False) as socket:
        await socket.ping(b"there?")
        message = await socket.receive(timeout=SECONDS)
        assert (message.type, bytes(message.data)) == (WSMsgType.PONG, b"there?")


async def test_the_upstreams_close_reaches_the_client(client: aiohttp.ClientSession) -> None:
    """With its code and reason."""

    async def closing(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.close(code=4321, message=b"enough")
        return socket

    async with relayed(closing) as url, client.ws_connect(url) as socket:
        message = await socket.receive(timeout=SECONDS)
        assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4321, "enough")


async def test_the_clients_close_reaches_the_upstream(client: aiohttp.ClientSession) -> None:
    """With its code; a client that just disconnects closes the upstream, too."""
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def noting(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        codes.put_nowait(socket.close_code)
        return socket

    async with relayed(noting) as url:
        socket = await client.ws_connect(url)
        await socket.close(code=4000)
        async with asyncio.timeout(SECONDS):
            assert await codes.get() == 4000
        socket = await client.ws_connect(url)
        socket._response.close()
        async with asyncio.timeout(SECONDS):
            assert await codes.get() in {1001, 1006}


async def test_an_upstream_that_is_lost_closes_the_client(client: aiohttp.ClientSession) -> None:
    """Without a close frame, the client receives the code 1001, going away."""

    async def dying(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return socket

    async with relayed(dying) as url, client.ws_connect(url) as socket:
        message = await socket.receive(timeout=SECONDS)
        assert (message.type, socket.close_code) == (WSMsgType.CLOSE, 1001)


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_a_refusal_is_an_ordinary_response(
    client: aiohttp.ClientSession, status: int
) -> None:
    """The upstream is connected before the client is accepted."""

    async def refusing(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with relayed(refusing) as url:
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await client.ws_connect(url)
    assert raised.value.status == status


@pytest.mark.parametrize("ended", [False, True])
async def test_an_unreachable_upstream_is_502(client: aiohttp.ClientSession, ended: bool) -> None:
    """Also before the client is accepted."""
    async with relayed(None, ended=ended) as url:
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await client.ws_connect(url)
    assert raised.value.status == 502


async def test_a_slow_reader_slows_the_writer(client: aiohttp.ClientSession) -> None:
    """Messages that are not read do not accumulate in the relay."""
    sent = 0

    async def pouring(request: web.Request) -> web.WebSocketResponse:
        nonlocal sent
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for _ in range(400):
            await socket.send_bytes(bytes(1024 * 1024))
            sent += 1
        return socket

    async with relayed(pouring) as url, client.ws_connect(url, max_msg_size=0) as socket:
        await socket.receive(timeout=SECONDS)
        before = -1
        async with asyncio.timeout(20):
            while before != sent:  # until nothing is sent any more
                before = sent
                await asyncio.sleep(0.3)
        assert sent < 100
        socket._response.close()
