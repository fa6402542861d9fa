"""Forwarding a request to an upstream and its response back, between real servers."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from certipy import Certipy  # type: ignore[import-untyped]  # it has no types
from multidict import CIMultiDict
from yarl import URL

from common.hub.tls import TLSFiles
from services.formgrader_proxy.proxy.forward_http import Additions, forward_http
from services.formgrader_proxy.proxy.headers import Outside, to_upstream
from services.formgrader_proxy.proxy.request_body import FULL, read_body
from services.formgrader_proxy.proxy.response_headers import Surroundings
from services.formgrader_proxy.proxy.target import read_target
from services.formgrader_proxy.upstream.connection_pool import RequestFields
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable

MEGABYTE = 1024 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def surroundings(request: web.Request) -> Surroundings:
    """Redirects may lead anywhere below the root of the relay."""
    return Surroundings(read_target(request.raw_path), 0, frozenset())


@dataclass
class Relay:
    """A relay in front of an upstream whose response each test defines."""

    url: str = ""
    upstream_url: str = ""
    handler: Handler | None = None
    append: bytes = b""
    failures: list[Exception] = field(default_factory=list)
    upstream_server: TestServer | None = None
    upstream: Upstream | None = None


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """A running relay and its upstream."""
    made = Relay()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert made.handler is not None
        return await made.handler(request)

    upstream_app = web.Application(client_max_size=0)
    upstream_app.router.add_route("*", "/{tail:.*}", answer)
    made.upstream_server = TestServer(upstream_app)
    await made.upstream_server.start_server()
    made.upstream_url = f"http://127.0.0.1:{made.upstream_server.port}"
    made.upstream = upstream = Upstream.at(made.upstream_url, None)

    async def pass_on(request: web.Request) -> web.StreamResponse:
        try:
            return await forward_http(
                request,
                upstream,
                request.raw_path,
                RequestFields(
                    CIMultiDict(
                        (name, value)
                        for name, value in request.headers.items()
                        if name.lower() not in {"host", "transfer-encoding", "connection"}
                    )
                ),
                Additions(surroundings(request), made.append, lambda _: (("X-Added", "ours"),)),
                body=await read_body(request, FULL),
            )
        except UpstreamUnreachable as error:
            made.failures.append(error)
            return web.Response(status=502)

    relay_app = web.Application(client_max_size=0)
    relay_app.router.add_route("*", "/{tail:.*}", pass_on)
    server = TestServer(relay_app)
    await server.start_server()  # cancels handlers whose client disconnects, as the service does
    made.url = f"http://127.0.0.1:{server.port}"
    yield made
    await server.close()
    await upstream.close()
    await made.upstream_server.close()


@asynccontextmanager
async def relay_to(url: str) -> AsyncIterator[tuple[str, Relay]]:
    """A relay in front of the server at ``url``: its own address, and the failures it saw."""
    made = Relay()
    upstream = Upstream.at(url, None)

    async def pass_on(request: web.Request) -> web.StreamResponse:
        try:
            return await forward_http(
                request,
                upstream,
                request.raw_path,
                RequestFields(
                    to_upstream(request.headers, token=None, outside=Outside("c", "http", "h"))
                ),
                Additions(surroundings(request)),
                body=await read_body(request, FULL),
            )
        except UpstreamUnreachable as error:
            made.failures.append(error)
            return web.Response(status=502)

    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{tail:.*}", pass_on)
    server = TestServer(app)
    await server.start_server()
    try:
        yield f"http://127.0.0.1:{server.port}", made
    finally:
        await server.close()
        await upstream.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def test_a_response_is_returned_unchanged(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """Status, reason, headers and body; and the path is forwarded byte for byte."""
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.raw_path)
        return web.Response(status=418, reason="Teapot", body=b"x" * 10, headers={"ETag": "own"})

    relay.handler = handler
    url = URL(relay.url + "/a%20b/%E5%90%8D?x=%41&y=", encoded=True)
    async with client.get(url) as answer:
        assert (answer.status, answer.reason, await answer.read()) == (418, "Teapot", b"x" * 10)
        assert (answer.headers["ETag"], answer.headers["X-Added"]) == ("own", "ours")
    assert seen == ["/a%20b/%E5%90%8D?x=%41&y="]


async def test_large_bodies_are_streamed(relay: Relay, client: aiohttp.ClientSession) -> None:
    """64 MB up and 64 MB down take a few buffers of memory, not the size of the bodies."""
    size = 64 * MEGABYTE
    block = bytes(MEGABYTE)

    async def handler(request: web.Request) -> web.StreamResponse:
        received = 0
        async for chunk in request.content.iter_any():
            received += len(chunk)
        response = web.StreamResponse(headers={"ETag": str(received)})
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
            assert int(answer.headers["ETag"]) == size
            got = 0
            async for chunk in answer.content.iter_any():
                got += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got == size
    assert peak < 16 * MEGABYTE


async def test_a_slow_reader_slows_the_writer(relay: Relay, client: aiohttp.ClientSession) -> None:
    """The upstream cannot send what the client does not read: back-pressure."""
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
            while before != sent:  # until nothing is sent any more
                before = sent
                await asyncio.sleep(0.3)
        assert sent < 100


async def test_ranges_and_compressed_responses_are_unchanged(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """206 keeps its range, and a compressed body stays compressed."""

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
async def test_responses_without_a_body(
    relay: Relay, client: aiohttp.ClientSession, status: int
) -> None:
    """HEAD keeps the announced length, 204 and 304 are empty, and the connection is reused."""

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


async def test_redirects_are_returned_to_the_client(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """The relay does not follow them."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    relay.handler = handler
    async with client.get(relay.url + "/x", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")


async def test_an_upstream_that_refuses_connections_is_unreachable(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """It has its own error, so that a page can say what to do."""
    assert relay.upstream_server is not None
    await relay.upstream_server.close()
    async with client.get(relay.url + "/x") as answer:
        assert answer.status == 502
    assert isinstance(relay.failures[0], UpstreamUnreachable)


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_an_upstream_that_has_just_been_closed_is_unreachable(
    relay: Relay, client: aiohttp.ClientSession, method: str
) -> None:
    """It ended while the request waited for something else, such as the audit log."""
    assert relay.upstream is not None
    await relay.upstream.close()
    async with client.request(method, relay.url + "/x", data=b"{}") as answer:
        assert answer.status == 502
    assert isinstance(relay.failures[0], UpstreamUnreachable)


async def test_a_truncated_response_breaks_the_clients_connection(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """An incomplete response is not mistaken for a complete one, even without a length."""

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


async def test_a_client_that_disconnects_frees_the_upstream(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """A read that is no longer wanted is cancelled at the upstream, too."""
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


async def test_a_script_to_append_to_is_requested_completely(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """A response that is changed is neither compressed, partial nor cached."""

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


async def test_a_chunked_upload_arrives_completely(
    relay: Relay, client: aiohttp.ClientSession
) -> None:
    """Even without an announced length."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    relay.handler = handler

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one ", b"two ", b"three"):
            yield part

    async with client.put(relay.url + "/x", data=parts()) as answer:
        assert await answer.read() == b"one two three"


@pytest.mark.parametrize("trusted", [True, False])
async def test_an_upstream_with_tls(
    tmp_path: Path,
    client: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
) -> None:
    """It is used if its certificate is trusted, with a body or without; else it is unreachable."""
    certipy = Certipy(store_dir=str(tmp_path))
    certipy.create_ca("ours")
    certipy.create_signed_pair("server", "ours", alt_names=["IP:127.0.0.1"])
    key, certificate = (str(tmp_path / "server" / f"server.{end}") for end in ("key", "crt"))
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ours" / "ours.crt"))

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=request.method.encode() + await request.read())

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=TLSFiles(key, certificate, "").server_context())
    try:
        async with relay_to(f"https://127.0.0.1:{server.port}") as (url, noticed):
            async with client.get(url + "/x") as answer:
                assert answer.status == (200 if trusted else 502)
            async with client.put(url + "/x", data=b" it") as answer:
                assert answer.status == (200 if trusted else 502)
                assert not trusted or await answer.read() == b"PUT it"
    finally:
        await server.close()
    assert len(noticed.failures) == (0 if trusted else 2)


async def test_trailers_are_dropped() -> None:
    """Neither a request nor a response can add a field after the checks."""
    arrived = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not arrived.endswith(b"hello"):
            arrived.extend(await reader.read(4096))
        writer.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n"
            b"2\r\nok\r\n0\r\nX-Late: evil\r\nSet-Cookie: a=b\r\n\r\n"
        )
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, relay_to(f"http://127.0.0.1:{port}") as (url, _), asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(
            b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: Cookie\r\n"
            b"Connection: close\r\n\r\n5\r\nhello\r\n0\r\nCookie: evil\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
    assert arrived.lower().count(b"content-length: 5\r\n") == 1
    assert b"evil" not in arrived
    assert b"railer" not in arrived
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"2\r\nok\r\n0\r\n\r\n" in answer
    assert b"evil" not in answer
    assert b"Set-Cookie" not in answer
    assert b"railer" not in answer
