"""Reading a body completely: its size, its time, and where it is kept."""

import asyncio
import errno
import io
import tempfile
from collections.abc import AsyncIterator
from typing import BinaryIO

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.formgrader_proxy.proxy.request_body import (
    IN_MEMORY_BYTES,
    Body,
    BodyRefused,
    Limits,
    read_body,
)

LARGE = IN_MEMORY_BYTES * 3


class Reader:
    """A server that reads bodies with ``limits``, and what it has got."""

    def __init__(self) -> None:
        self.limits = Limits(IN_MEMORY_BYTES * 4, 60)
        self.bodies: list[bytes | None] = []
        self.in_memory: list[bool] = []

    async def handle(self, request: web.Request) -> web.Response:
        try:
            body = await read_body(request, self.limits)
        except BodyRefused as refused:
            return web.Response(status=refused.status, text=str(refused))
        if body is None:
            self.bodies.append(None)
            return web.Response()
        with body:
            for _ in range(2):  # it can be read more than once
                data = body.data
                content = data if isinstance(data, bytes) else data.read()
            self.bodies.append(content)
            self.in_memory.append(isinstance(data, bytes))
        return web.Response()


@pytest.fixture
async def reader() -> Reader:
    return Reader()


@pytest.fixture
async def client(reader: Reader) -> AsyncIterator["TestClient[web.Request, web.Application]"]:
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/", reader.handle)
    async with TestClient(TestServer(app)) as client:
        yield client


async def parts(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield bytes(size)


@pytest.mark.parametrize("size", [1, IN_MEMORY_BYTES, IN_MEMORY_BYTES + 1, LARGE])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_read_completely(
    reader: Reader,
    client: "TestClient[web.Request, web.Application]",
    size: int,
    chunked: bool,
) -> None:
    """A small one is kept in memory, a large one in a file."""
    sent = bytes(index % 251 for index in range(size))

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 100_000):
            yield sent[start : start + 100_000]

    async with client.put("/", data=chunks() if chunked else sent) as answer:
        assert answer.status == 200
    assert reader.bodies == [sent]
    assert reader.in_memory == [size <= IN_MEMORY_BYTES]


async def test_a_request_without_a_body_has_none(
    reader: Reader, client: "TestClient[web.Request, web.Application]"
) -> None:
    """As flagging a submission has."""
    async with client.post("/") as answer:
        assert answer.status == 200
    assert reader.bodies == [None]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(
    reader: Reader, client: "TestClient[web.Request, web.Application]", chunked: bool
) -> None:
    """413 with the limit, announced or not."""
    reader.limits = Limits(1024 * 1024, 60)
    sizes = [600_000, 600_000]
    data = parts(*sizes) if chunked else io.BytesIO(bytes(sum(sizes)))
    async with client.put("/", data=data) as answer:
        assert answer.status == 413
        assert "More than 1 MB cannot be sent" in await answer.text()
    assert reader.bodies == []


async def test_a_body_that_is_too_slow_is_refused(
    reader: Reader, client: "TestClient[web.Request, web.Application]"
) -> None:
    """408, and nothing is kept waiting."""
    reader.limits = Limits(1024, 0.05)
    ended = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"a"
        await ended.wait()

    try:
        async with asyncio.timeout(60), client.put("/", data=slow()) as answer:
            assert answer.status == 408
            assert "Nothing was changed" in await answer.text()
    finally:
        ended.set()


async def test_a_full_disk_is_reported(
    reader: Reader,
    client: "TestClient[web.Request, web.Application]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """503 instead of an internal error."""

    def full() -> BinaryIO:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    async with client.put("/", data=bytes(LARGE)) as answer:
        assert answer.status == 503
        assert "no space" in await answer.text()


def test_a_closed_body_leaves_no_file() -> None:
    """Its temporary file has no name and ends with it."""
    with Body() as body:
        body.write(bytes(LARGE))
        file = body.data
        assert not isinstance(file, bytes)
    assert file.closed
