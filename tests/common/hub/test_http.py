"""Sending requests: bytes on the wire, limits, retries and error types."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from common.errors import (
    HubBadResponse,
    HubFailed,
    HubForbidden,
    HubNotFound,
    HubRejected,
    HubUnavailable,
    RequestError,
)
from common.hub import http
from common.hub.retry import Retry
from tests.common.hub.serving import TOKEN, echo_path, send, serving
from tests.fakes.clock import FakeClock


@pytest.mark.parametrize(
    "path", ["/%41", "/%2e%2E/x", "/a%2Fb", "/q%3Fx=1", "/h%23f", "/%E5%90%8D", "/sp%20ace", "/a+b"]
)
async def test_a_path_is_sent_byte_for_byte(session: aiohttp.ClientSession, path: str) -> None:
    """A quoted name reaches the server exactly as it was quoted."""
    async with serving(echo_path) as url:
        response = await send(url + path, session)
    assert response.body.decode() == "/hub/api" + path


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(session: aiohttp.ClientSession, status: int) -> None:
    """Following a redirect could send the token elsewhere."""
    requested: list[str] = []

    async def redirect(request: web.BaseRequest) -> web.Response:
        requested.append(request.raw_path)
        return web.Response(status=status, headers={"Location": "/stolen"})

    async with serving(redirect) as url:
        with pytest.raises(HubBadResponse, match="redirect"):
            await send(url, session)
    assert requested == ["/hub/api"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, HubRejected),
        (401, HubForbidden),
        (403, HubForbidden),
        (404, HubNotFound),
        (409, HubRejected),
        (429, HubUnavailable),
        (500, HubFailed),
        (501, HubFailed),
        (502, HubUnavailable),
        (503, HubUnavailable),
        (504, HubUnavailable),
    ],
)
async def test_each_status_has_its_error(
    session: aiohttp.ClientSession, status: int, error: type[RequestError]
) -> None:
    """The error class follows from the status; the error keeps method, URL and status."""

    async def fail(request: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    async with serving(fail) as url:
        with pytest.raises(error) as raised:
            await send(url, session)
    assert type(raised.value) is error
    assert (raised.value.method, raised.value.url, raised.value.status) == ("GET", url, status)


@pytest.mark.parametrize("announced", [True, False], ids=["with its length", "in chunks"])
async def test_a_huge_response_is_refused(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    """Memory use is bounded, whether or not the server announces the length."""
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 10_000)

    async def huge(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if announced:
            response.content_length = 50_000_000
        await response.prepare(request)
        for _ in range(50):
            await response.write(b"x" * 1_000_000)
        return response

    async with serving(huge) as url:
        with pytest.raises(HubUnavailable, match=r"a body of .*\d bytes"):
            await send(url, session)


async def test_a_compressed_bomb_is_refused(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit applies to the decompressed body."""
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 10_000)

    async def bomb(request: web.BaseRequest) -> web.Response:
        response = web.Response(body=b"\0" * 5_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with serving(bomb) as url:
        with pytest.raises(HubUnavailable, match=r"a body of .*\d bytes"):
            await send(url, session)


@pytest.mark.parametrize(
    ("value", "seconds"), [("5", 5.0), ("Mon, 02 Mar 2026 12:00:07 GMT", 7.0), ("soon", None)]
)
async def test_retry_after_is_kept_with_the_error(
    session: aiohttp.ClientSession, value: str, seconds: float | None
) -> None:
    """The caller learns how long the Hub asked it to wait."""

    async def busy(request: web.BaseRequest) -> web.Response:
        date = "Mon, 02 Mar 2026 12:00:00 GMT"
        return web.Response(status=503, headers={"Date": date, "Retry-After": value})

    async with serving(busy) as url:
        with pytest.raises(HubUnavailable) as raised:
            await send(url, session)
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Mar 2026 99:00:00 GMT"])
async def test_an_invalid_date_is_ignored(session: aiohttp.ClientSession, date: str) -> None:
    """A response with an invalid date is used without one."""

    async def undated(request: web.BaseRequest) -> web.Response:
        return web.Response(headers={"Date": date})

    async with serving(undated) as url:
        assert (await send(url, session)).date is None


async def test_retries_end_with_the_last_attempt(session: aiohttp.ClientSession) -> None:
    """All allowed attempts are made, with a wait between them, and each is reported."""
    clock = FakeClock(skip=True)
    attempts: list[int | None] = []

    async def broken(request: web.BaseRequest) -> web.Response:
        return web.Response(status=502)

    async with serving(broken) as url:
        with pytest.raises(HubUnavailable):
            await send(
                url,
                session,
                clock=clock,
                retry=Retry(attempts=3),
                on_attempt=lambda status, seconds: attempts.append(status),
            )
    assert attempts == [502, 502, 502]
    assert len(clock.slept) == 2


async def test_a_stalled_response_times_out(session: aiohttp.ClientSession) -> None:
    """Half a body followed by silence is an incomplete response."""
    release = asyncio.Event()

    async def stall(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        await release.wait()
        return response

    async with serving(stall) as url:
        with pytest.raises(HubUnavailable, match="incomplete response: TimeoutError"):
            await send(url, session, timeout_seconds=0.1)
        release.set()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_refused_connection_is_retried(
    session: aiohttp.ClientSession, unused_tcp_port: int, method: str
) -> None:
    """A refused connection has changed nothing, so even a DELETE is sent again."""
    url = f"http://127.0.0.1:{unused_tcp_port}/hub/api"
    attempts: list[int | None] = []
    with pytest.raises(HubUnavailable, match="cannot connect"):
        await send(
            url,
            session,
            method=method,
            retry=Retry(attempts=3),
            on_attempt=lambda status, seconds: attempts.append(status),
        )
    assert attempts == [None, None, None]


async def test_no_error_contains_the_token(session: aiohttp.ClientSession) -> None:
    """Neither the error nor its causes, which a traceback shows, contain the token."""

    async def echo(request: web.BaseRequest) -> web.Response:
        return web.Response(status=500, text=request.headers["Authorization"])

    async with serving(echo) as url:
        with pytest.raises(RequestError) as raised:
            await send(f"{url}?secret={TOKEN}", session)
    error: BaseException | None = raised.value
    while error is not None:
        assert TOKEN not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
