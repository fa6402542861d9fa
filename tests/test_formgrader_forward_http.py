"""A request on its way to an upstream and back, between real servers."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from yarl import URL

from services.formgrader_proxy.forward_http import (
    Upstream,
    UpstreamUnreachable,
    forward_http,
)

MEGABYTE = 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Relay:
    """A relay before an upstream whose answer each test writes."""

    url: str = ""
    upstream_url: str = ""
    handler: Handler | None = None
    append: bytes = b""
    failures: list[Exception] = field(default_factory=list)
    upstream_server: TestServer | None = None


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """The upstream, the relay, and a session between them."""
    made = Relay()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert made.handler is not None
        return await made.handler(request)

    upstream_app = web.Application(client_max_size=0)
    upstream_app.router.add_route("*", "/{tail:.*}", answer)
    made.upstream_server = TestServer(upstream_app)
    await made.upstream_server.start_server()
    made.upstream_url = f"http://127.0.0.1:{made.upstream_server.port}"
    upstream = Upstream.at(made.upstream_url, None)

    async def pass_on(request: web.Request) -> web.StreamResponse:
        try:
            return await forward_http(
                request,
                upstream,
                request.raw_path,
                CIMultiDict(
                    (name, value)
                    for name, value in request.headers.items()
                    if name.lower() not in {"host", "transfer-encoding", "connection"}
                ),
                added=lambda status: [("X-Added", str(status))],
                append=made.append,
            )
        except UpstreamUnreachable as error:
            made.failures.append(error)
            return web.Response(status=502)

    relay_app = web.Application(client_max_size=0)
    relay_app.router.add_route("*", "/{tail:.*}", pass_on)
    server = TestServer(relay_app)
    await server.start_server()  # cancels handlers whose client goes, as our service does
    made.url = f"http://127.0.0.1:{server.port}"
    yield made
    await server.close()
    await upstream.close()
    await made.upstream_server.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def test_an_answer_comes_back_as_it_is(relay: Relay, client: aiohttp.ClientSession) -> None:
    """Status, reason, headers and body; and the path goes on byte for byte."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(status=418, reason="Teapot", body=b"x" * 10, headers={"X-Own": "1"})

    relay.handler = handler
    url = URL(relay.url + "/a%20b/%E5%90%8D?x=%41&y=", encoded=True)
    async with client.get(url) as answer:
        assert (answer.status, answer.reason, await answer.read()) == (418, "Teapot", b"x" * 10)
        assert (answer.headers["X-Own"], answer.headers["X-Added"]) == ("1", "418")
    assert seen == ["/a%20b/%E5%90%8D?x=%41&y="]


async def test_a_large_body_flows_both_ways_without_being_held(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """64 MB up and 64 MB down cost the relay a few buffers, not the bodies."""
    size = 64 * MEGABYTE
    block = bytes(MEGABYTE)

    async def handler(request: web.Request) -> web.StreamResponse:
        received = 0
        async for chunk in request.content.iter_any():
            received += len(chunk)
        response = web.StreamResponse(headers={"X-Received": str(received)})
        response.content_length = size
        await response.prepare(request)
        for _ in range(size // MEGABYTE):
            await response.write(block)
        return response

    relay.handler = handler

    async def upload() -> AsyncIterator[bytes]:
        for _ in range(size // MEGABYTE):
            yield block

    tracemalloc.start()
    try:
        async with client.post(relay.url + "/big", data=upload()) as answer:
            assert int(answer.headers["X-Received"]) == size
            got = 0
            async for chunk in answer.content.iter_any():
                got += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got == size
    assert peak < 16 * MEGABYTE


async def test_a_slow_reader_slows_the_writer(relay: Relay, client: aiohttp.ClientSession) -> None:
    """What the client does not take, the upstream cannot send: back-pressure."""
    sent = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(512):
            await response.write(bytes(MEGABYTE))
            sent += 1
        return response

    relay.handler = handler
    async with client.get(relay.url + "/slow") as answer:
        await answer.content.read(1)
        before = -1
        async with asyncio.timeout(20):
            while before != sent:  # until nothing moves any more
                before = sent
                await asyncio.sleep(0.3)
        assert sent < 100


async def test_ranges_and_packed_answers_pass_untouched(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """206 with its range, and a packed body stays packed."""

    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Range"] == "bytes=2-4"
        headers = {"Content-Range": "bytes 2-4/10", "Content-Encoding": "gzip"}
        return web.Response(status=206, body=b"abc", headers=headers)

    relay.handler = handler
    async with client.get(relay.url + "/x", headers={"Range": "bytes=2-4"}) as answer:
        assert (answer.status, await answer.read()) == (206, b"abc")
        assert answer.headers["Content-Range"] == "bytes 2-4/10"
        assert answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("status", [200, 204, 304])
async def test_answers_without_a_body(
    relay: Relay, client: aiohttp.ClientSession, status: int
) -> None:
    """HEAD keeps the announced length; 204 and 304 have nothing; the connection goes on."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=b"x" * 12 if status == 200 else None)

    relay.handler = handler
    for _ in range(2):
        async with client.head(relay.url + "/x") as answer:
            assert (answer.status, await answer.read()) == (status, b"")
            if status == 200:
                assert answer.headers["Content-Length"] == "12"
        async with client.get(relay.url + "/x") as answer:
            assert (answer.status, len(await answer.read())) == (status, 12 * (status == 200))


async def test_redirects_are_the_clients(relay: Relay, client: aiohttp.ClientSession) -> None:
    """The relay follows none."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    relay.handler = handler
    async with client.get(relay.url + "/x", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")


async def test_no_upstream_is_told_before_anything_is_answered(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """A refused connection is an error of its own, for a page that says what to do."""
    assert relay.upstream_server is not None
    await relay.upstream_server.close()
    async with client.get(relay.url + "/x") as answer:
        assert answer.status == 502
    assert isinstance(relay.failures[0], UpstreamUnreachable)


async def test_an_upstream_that_dies_midway_breaks_the_clients_answer(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """Half an answer is not taken for a whole one, announced length or not."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(bytes(200_000))
        assert request.transport is not None
        request.transport.abort()
        return response

    relay.handler = handler

    async def read() -> bytes:
        async with client.get(relay.url + "/x") as answer:
            return await answer.read()

    with pytest.raises(aiohttp.ClientError):
        await read()


async def test_a_client_that_goes_away_frees_the_upstream(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """A read that nobody waits for is given up at the upstream too."""
    arrived, freed = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        arrived.set()
        try:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.01)
        finally:
            freed.set()
        raise ConnectionResetError

    relay.handler = handler
    task = asyncio.create_task(_get(client, relay.url + "/x"))
    async with asyncio.timeout(10):
        await arrived.wait()
        task.cancel()
        await freed.wait()


async def _get(client: aiohttp.ClientSession, url: str) -> Any:
    async with client.get(url) as answer:
        return await answer.read()


async def test_a_script_is_appended_to_and_asked_for_whole(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """What is changed on its way is neither packed, partial nor taken from a cache."""

    async def handler(request: web.Request) -> web.Response:
        for name in ("If-None-Match", "Range", "Accept-Encoding"):
            assert name not in request.headers
        return web.Response(text="var a;", headers={"ETag": '"x"'})

    relay.handler, relay.append = handler, b"var b;"
    headers = {"If-None-Match": '"x"', "Range": "bytes=0-1", "Accept-Encoding": "gzip"}
    async with client.get(relay.url + "/utils.js", headers=headers) as answer:
        assert await answer.text() == "var a;var b;"
        assert answer.headers["Content-Length"] == "12"
        assert "ETag" not in answer.headers


async def test_a_chunked_upload_arrives_whole(relay: Relay, client: aiohttp.ClientSession) -> None:
    """Without an announced length too."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    relay.handler = handler

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one ", b"two ", b"three"):
            yield part

    async with client.put(relay.url + "/x", data=parts()) as answer:
        assert await answer.read() == b"one two three"
