"""Kept connections to an upstream: what is written, what is read, what is kept."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientPayloadError

from services.formgrader_proxy.proxy.connections import FAULTS, Connections

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD_SECONDS = 60


class Upstream:
    """Answers each request with the next of ``answers``; the last one again and again.

    None closes the connection in place of an answer; ``close`` does so after each.
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
async def connected(upstream: Upstream) -> AsyncIterator[Connections]:
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connections = Connections(f"http://127.0.0.1:{port}", read_buffer=2**16)
    async with server, asyncio.timeout(HEAD_SECONDS):
        try:
            yield connections
        finally:
            connections.close()
            await upstream.until_all_ended()


async def get(connections: Connections, method: str = "GET") -> tuple[int, bytes]:
    answer = await connections.ask(method, "/a%20b?x", {"X-Own": "1"})
    try:
        return answer.status, await answer.read()
    finally:
        answer.release()


async def test_one_connection_serves_one_after_another() -> None:
    """The head is ours, byte for byte, and the connection is kept."""
    upstream = Upstream(OK)
    async with connected(upstream) as connections:
        for _ in range(3):
            assert await get(connections) == (200, b"ok")
    assert upstream.connections == 1
    lines = upstream.heads[0].decode().split("\r\n")
    assert lines[0] == "GET /a%20b?x HTTP/1.1"
    assert lines[1].startswith("Host: 127.0.0.1:")
    assert lines[2:] == ["X-Own: 1", "", ""]


async def test_at_the_same_time_each_has_its_own() -> None:
    """Requests under way do not wait for each other."""
    upstream = Upstream(OK)
    async with connected(upstream) as connections:
        answers = [await connections.ask("GET", "/", {}) for _ in range(3)]
        assert upstream.connections == 3
        for answer in answers:
            assert await answer.read() == b"ok"
            answer.release()
        await get(connections)
    assert upstream.connections == 3


async def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    """Also where it breaks only as we ask on it; nobody notices."""
    upstream = Upstream(OK, None, OK)
    async with connected(upstream) as connections:
        assert await get(connections) == (200, b"ok")
        assert await get(connections) == (200, b"ok")
    assert (upstream.connections, len(upstream.heads)) == (2, 3)


async def test_an_upstream_that_closes_after_each_answer() -> None:
    """Each request gets a new connection."""
    upstream = Upstream(OK, close=True)
    async with connected(upstream) as connections:
        for _ in range(3):
            upstream.closed.clear()
            assert await get(connections) == (200, b"ok")
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
async def test_what_is_no_answer_is_a_fault(answer: bytes | None) -> None:
    """One of the errors that are foreseen, and the connection is not used again."""
    upstream = Upstream(answer)
    async with connected(upstream) as connections:
        for _ in range(2):
            with pytest.raises((OSError, *FAULTS)):
                await get(connections)
    assert upstream.connections == 2


async def test_half_an_answer_is_a_fault() -> None:
    """A body that breaks off is not taken for a whole one."""
    upstream = Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", close=True)
    async with connected(upstream) as connections:
        with pytest.raises(ClientPayloadError):
            await get(connections)


async def test_interim_answers_are_not_the_answer() -> None:
    """100 and 103 come before it."""
    hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with connected(Upstream(hints + OK)) as connections:
        assert await get(connections) == (200, b"ok")


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
async def test_bodies_by_their_framing(answer: bytes, body: bytes) -> None:
    """Each of the ways that HTTP/1.1 knows; trailers are dropped."""
    async with connected(Upstream(answer, close=True)) as connections:
        assert (await get(connections))[1] == body


async def test_head_has_no_body() -> None:
    """Whatever length is announced; the connection goes on."""
    upstream = Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    async with connected(upstream) as connections:
        for _ in range(2):
            assert await get(connections, "HEAD") == (200, b"")
    assert upstream.connections == 1


async def test_an_answer_not_read_to_its_end_costs_the_connection() -> None:
    """What is left of it must not stand before the next answer."""
    upstream = Upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", OK)
    async with connected(upstream) as connections:
        (await connections.ask("GET", "/", {})).release()
        assert await get(connections) == (200, b"ok")
    assert upstream.connections == 2


async def test_words_that_nobody_asked_for_cost_the_connection() -> None:
    """A second answer behind the first is for nobody."""
    upstream = Upstream(OK + OK)
    async with connected(upstream) as connections:
        for _ in range(2):
            assert await get(connections) == (200, b"ok")
    assert upstream.connections == 2


async def test_who_gives_up_waiting_closes_the_connection() -> None:
    """The upstream sees that nobody wants the answer any more."""
    upstream = Upstream(b"HTTP/1.1 100 Continue\r\n\r\n")
    async with connected(upstream) as connections:
        task = asyncio.create_task(get(connections))
        while not upstream.heads:
            await asyncio.sleep(0.01)
        task.cancel()
        await upstream.closed.wait()
        assert task.cancelled()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
async def test_a_line_break_does_not_pass(value: str) -> None:
    """Not even one that an earlier check should have stopped."""
    async with connected(Upstream(OK)) as connections:
        with pytest.raises(ValueError, match="line break"):
            await connections.ask("GET", "/", {"X": value})


async def test_a_unix_socket(tmp_path: Path) -> None:
    """Its path is in the URL, quoted."""
    path = tmp_path / "a socket"
    upstream = Upstream(OK)
    server = await asyncio.start_unix_server(upstream.serve, path)
    connections = Connections(f"http+unix://{quote(str(path), safe='')}", read_buffer=2**16)
    async with server, asyncio.timeout(HEAD_SECONDS):
        assert await get(connections) == (200, b"ok")
        connections.close()
        await upstream.until_all_ended()
    assert b"Host: localhost\r\n" in upstream.heads[0]


async def test_nobody_listens() -> None:
    """An OSError, as of any connection."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        connections = Connections(f"http://127.0.0.1:{port}", read_buffer=2**16)
        with pytest.raises(OSError, match="onnect"):
            await connections.ask("GET", "/", {})
