"""Keep-alive connections to an upstream: requests, responses and reuse."""

import asyncio
import inspect
import socket
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from multidict import CIMultiDict
from packaging.requirements import Requirement

from services.formgrader_proxy.upstream.connection_pool import (
    ERRORS,
    ConnectionPool,
    RequestFields,
)
from tests.paths import ROOT

NO_FIELDS = RequestFields(CIMultiDict())
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD_SECONDS = 60


class Upstream:
    """Answers each request with the next of ``answers``, and then always with the last one.

    None closes the connection instead of answering; ``close`` closes it after each answer.
    """

    def __init__(self, *answers: bytes | None, close: bool = False) -> None:
        self.answers = list(answers)
        self.close = close
        self.heads: list[bytes] = []
        self.connections = 0
        self.ended = 0
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is not None:
                    writer.write(answer)
                if answer is None or self.close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        self.closed.set()
        self.ended += 1

    async def until_all_ended(self) -> None:
        while self.ended < self.connections:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)  # closing a transport takes one turn of the loop


@asynccontextmanager
async def connected(upstream: Upstream) -> AsyncIterator[ConnectionPool]:
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = ConnectionPool(f"http://127.0.0.1:{port}", read_buffer=2**16)
    async with server, asyncio.timeout(HEAD_SECONDS):
        try:
            yield pool
        finally:
            pool.close()
            await upstream.until_all_ended()


async def get(pool: ConnectionPool, method: str = "GET") -> tuple[int, bytes]:
    answer = await pool.request(method, "/a%20b?x", RequestFields(CIMultiDict({"X-Own": "1"})))
    try:
        return answer.status, await answer.read()
    finally:
        answer.release()


async def test_a_connection_is_reused() -> None:
    """Requests share a connection, and the head is exactly as specified."""
    upstream = Upstream(OK)
    async with connected(upstream) as pool:
        for _ in range(3):
            assert await get(pool) == (200, b"ok")
    assert upstream.connections == 1
    lines = upstream.heads[0].decode().split("\r\n")
    assert lines[0] == "GET /a%20b?x HTTP/1.1"
    assert lines[1].startswith("Host: 127.0.0.1:")
    assert lines[2:] == ["X-Own: 1", "", ""]


async def test_concurrent_requests_have_their_own_connections() -> None:
    """Requests do not wait for each other."""
    upstream = Upstream(OK)
    async with connected(upstream) as pool:
        answers = [await pool.request("GET", "/", NO_FIELDS) for _ in range(3)]
        assert upstream.connections == 3
        for answer in answers:
            assert await answer.read() == b"ok"
            answer.release()
        await get(pool)
    assert upstream.connections == 3


async def test_an_idle_connection_that_was_closed_is_replaced() -> None:
    """Even if it breaks only when it is used again; the caller does not notice."""
    upstream = Upstream(OK, None, OK)
    async with connected(upstream) as pool:
        assert await get(pool) == (200, b"ok")
        assert await get(pool) == (200, b"ok")
    assert (upstream.connections, len(upstream.heads)) == (2, 3)


async def test_an_upstream_that_closes_after_each_answer() -> None:
    """Each request gets a new connection."""
    upstream = Upstream(OK, close=True)
    async with connected(upstream) as pool:
        for _ in range(3):
            upstream.closed.clear()
            assert await get(pool) == (200, b"ok")
            await upstream.closed.wait()
    assert upstream.connections == 3


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="nothing"),
        pytest.param(b"hello\r\n\r\n", id="no HTTP"),
        pytest.param(
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="101"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", id="two lengths"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", id="a null in the head"),
    ],
)
async def test_an_invalid_response_is_an_error(answer: bytes | None) -> None:
    """One of the documented errors is raised, and the connection is not used again."""
    upstream = Upstream(answer)
    async with connected(upstream) as pool:
        for _ in range(2):
            with pytest.raises((OSError, *ERRORS)):
                await get(pool)
    assert upstream.connections == 2


async def test_an_incomplete_response_is_an_error() -> None:
    """A truncated body is not mistaken for a complete one."""
    upstream = Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", close=True)
    async with connected(upstream) as pool:
        with pytest.raises(ClientPayloadError):
            await get(pool)


async def test_interim_responses_are_skipped() -> None:
    """The response after 100 and 103 is returned."""
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with connected(Upstream(hints + OK)) as pool:
        assert await get(pool) == (200, b"ok")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
            b"ok",
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil it closes", b"until it closes"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
    ids=["chunks and trailers", "until it closes", "none"],
)
async def test_every_framing_of_a_body_is_understood(answer: bytes, body: bytes) -> None:
    """Chunked, until the connection closes, and none; trailers are dropped."""
    async with connected(Upstream(answer, close=True)) as pool:
        assert (await get(pool))[1] == body


async def test_a_response_to_head_has_no_body() -> None:
    """Whatever length is announced; the connection is reused."""
    upstream = Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    async with connected(upstream) as pool:
        for _ in range(2):
            assert await get(pool, "HEAD") == (200, b"")
    assert upstream.connections == 1


async def test_a_connection_with_an_unread_body_is_closed() -> None:
    """The rest of the body must not become part of the next response."""
    upstream = Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", OK)
    async with connected(upstream) as pool:
        (await pool.request("GET", "/", NO_FIELDS)).release()
        assert await get(pool) == (200, b"ok")
    assert upstream.connections == 2


async def test_a_connection_with_unexpected_data_is_closed() -> None:
    """A second response after the first must not answer another request."""
    upstream = Upstream(OK + OK)
    async with connected(upstream) as pool:
        for _ in range(2):
            assert await get(pool) == (200, b"ok")
    assert upstream.connections == 2


async def test_cancelling_a_request_closes_the_connection() -> None:
    """The upstream notices that the response is no longer wanted."""
    upstream = Upstream(b"HTTP/1.1 100 Continue\r\n\r\n")
    async with connected(upstream) as pool:
        task = asyncio.create_task(get(pool))
        while not upstream.heads:
            await asyncio.sleep(0.01)
        task.cancel()
        await upstream.closed.wait()
        assert task.cancelled()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_line_break_in_a_field_is_refused(value: str) -> None:
    """As a second line of defence behind the check of the request's head."""
    async with connected(Upstream(OK)) as pool:
        with pytest.raises(ValueError, match="line break"):
            await pool.request("GET", "/", RequestFields(CIMultiDict({"X": value})))


async def test_a_unix_socket(tmp_path: Path) -> None:
    """The path of the socket is in the URL, quoted."""
    path = tmp_path / "a socket"
    upstream = Upstream(OK)
    server = await asyncio.start_unix_server(upstream.serve, path)
    pool = ConnectionPool(f"http+unix://{quote(str(path), safe='')}", read_buffer=2**16)
    async with server, asyncio.timeout(HEAD_SECONDS):
        assert await get(pool) == (200, b"ok")
        pool.close()
        await upstream.until_all_ended()
    assert b"Host: localhost\r\n" in upstream.heads[0]


async def test_a_refused_connection_is_an_error() -> None:
    """OSError, as for any connection."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        pool = ConnectionPool(f"http://127.0.0.1:{port}", read_buffer=2**16)
        with pytest.raises(OSError, match="onnect"):
            await pool.request("GET", "/", NO_FIELDS)


def test_what_is_used_of_aiohttps_client_protocol() -> None:
    """aiohttp has the undocumented parts that the pool is built on; see its module docstring."""
    loop = asyncio.new_event_loop()
    try:
        protocol = ResponseHandler(loop)
        parameters = inspect.signature(protocol.set_response_params).parameters
        assert {"skip_payload", "read_until_eof", "auto_decompress", "read_bufsize"} <= set(
            parameters
        )
        assert all(parameter.default is not parameter.empty for parameter in parameters.values())
        assert inspect.iscoroutinefunction(protocol.read)
        assert protocol.should_close is False
        assert protocol.is_connected() is False
        assert protocol.transport is None
        assert all(hasattr(RawResponseMessage, name) for name in ("code", "reason", "headers"))
    finally:
        loop.close()


def test_aiohttp_is_limited_to_the_tested_minor_release() -> None:
    """pyproject.toml excludes aiohttp's next minor release until the pool was tested with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (requirement,) = [
        found for text in project["dependencies"] if (found := Requirement(text)).name == "aiohttp"
    ]
    major, minor = map(int, version("aiohttp").split(".")[:2])
    assert requirement.specifier.contains(version("aiohttp"))
    assert not requirement.specifier.contains(f"{major}.{minor + 1}.0")


def test_only_the_pool_uses_the_undocumented_protocol() -> None:
    """The risk stays in one file."""
    sources = [*(ROOT / "common").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
    users = [path.name for path in sources if "aiohttp.client_proto" in path.read_text("utf-8")]
    assert users == ["connection_pool.py"]
