"""One request: bytes on the wire, limits, retries, TLS and unix sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from certipy import Certipy  # type: ignore[import-untyped]  # it has no types

from common.errors import HubBadAnswer, HubUnavailable, RequestError
from common.hub import http
from common.hub.http import (
    HUB,
    NO_RETRY,
    Answer,
    Retry,
    TLSFiles,
    client_session,
    plain_url,
    request,
)
from tests.fakes.clock import FakeClock

TOKEN = "s3cret-token"
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(
    handler: Handler, *, path: Path | None = None, context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server that gives every request to the handler; its address."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site: web.BaseSite
    if path is not None:
        site = web.UnixSite(runner, str(path))
    else:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        if path is not None:
            yield f"http+unix://{quote(str(path), safe='')}/hub/api"
        else:
            port = runner.addresses[0][1]
            yield f"{'https' if context else 'http'}://127.0.0.1:{port}/hub/api"
    finally:
        await runner.cleanup()


async def ask(url: str, session: aiohttp.ClientSession, **options: Any) -> Answer:
    """One request with settings that a test may change."""
    given: dict[str, Any] = {
        "method": "GET",
        "token": TOKEN,
        "family": HUB,
        "clock": FakeClock(skip=True),
        "retry": NO_RETRY,
    }
    return await request(session, url=plain_url(url), **(given | options))


async def hello(request: web.BaseRequest) -> web.Response:
    return web.Response(text=request.raw_path)


@pytest.mark.parametrize(
    "path", ["/%41", "/%2e%2E/x", "/a%2Fb", "/q%3Fx=1", "/h%23f", "/%E5%90%8D", "/sp%20ace", "/a+b"]
)
async def test_a_path_is_sent_byte_for_byte(session: aiohttp.ClientSession, path: str) -> None:
    """What was quoted on purpose is not read anew by anybody on our side."""
    async with serving(hello) as url:
        answer = await ask(url + path, session)
    assert answer.body.decode() == "/hub/api" + path


async def test_a_unix_socket_is_spoken_to(tmp_path: Path) -> None:
    """Its path stands, quoted, where a host would."""
    async with (
        serving(hello, path=tmp_path / "hub api.sock") as url,
        client_session(url) as session,
    ):
        assert (await ask(url + "/user", session)).body == b"/hub/api/user"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://127.0.0.1:8081/hub/api", "http://127.0.0.1:8081/hub/api"),
        ("https://hub:8081/hub/api/", "https://hub:8081/hub/api"),
        ("http+unix://%2Fsrv%2Fhub.sock/hub/api", "http://localhost/hub/api"),
        ("https+unix://%2Fsrv%2Fhub.sock/hub/api/", "https://localhost/hub/api"),
    ],
)
def test_an_address_is_made_plain(url: str, plain: str) -> None:
    """The socket is the session's business, not the request line's."""
    assert plain_url(url) == plain


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(session: aiohttp.ClientSession, status: int) -> None:
    """The token would go with it."""
    asked: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.Response:
        asked.append(request.raw_path)
        return web.Response(status=status, headers={"Location": "/stolen"})

    async with serving(elsewhere) as url:
        with pytest.raises(HubBadAnswer, match="redirect"):
            await ask(url, session)
    assert asked == ["/hub/api"]


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in chunks"])
async def test_a_huge_answer_is_not_taken(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """Memory is bounded, whatever the other side sends."""
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 10_000)

    async def huge(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        if told:
            response.content_length = 50_000_000
        await response.prepare(request)
        for _ in range(50):
            await response.write(b"x" * 1_000_000)
        return response

    async with serving(huge) as url:
        with pytest.raises(HubUnavailable, match=r"a body of .*\d bytes"):
            await ask(url, session)


async def test_a_compressed_bomb_is_not_taken(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound holds for what comes out, not for what went in."""
    monkeypatch.setattr(http, "MAX_BODY_BYTES", 10_000)

    async def bomb(request: web.BaseRequest) -> web.Response:
        response = web.Response(body=b"\0" * 5_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with serving(bomb) as url:
        with pytest.raises(RequestError):
            await ask(url, session)


def test_pauses_grow_with_jitter_up_to_their_bound() -> None:
    """Full jitter: anything between nothing and a bound that doubles."""
    retry = Retry(base_seconds=1, max_seconds=10)
    for failures, most in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (50, 10), (5000, 10)):
        pauses = [retry.pause(failures) for _ in range(300)]
        assert 0 <= min(pauses) < most / 4
        assert most * 0.75 < max(pauses) <= most


@pytest.mark.parametrize(("asked", "least"), [(3.0, 3.0), (0.0, 0.0), (3600.0, 10.0), (None, 0.0)])
def test_a_pause_is_at_least_what_was_asked_for(asked: float | None, least: float) -> None:
    """Within our own bound: nobody makes us wait an hour."""
    assert least <= Retry(max_seconds=10).pause(1, asked) <= 10


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        (" 5 ", 5.0),
        ("Mon, 02 Mar 2026 12:00:07 GMT", 7.0),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("\uff15", None),
        ("9" * 400, 999999999.0),
        ("", None),
    ],
)
async def test_the_wish_to_be_left_alone_is_kept_with_the_error(
    session: aiohttp.ClientSession, value: str, seconds: float | None
) -> None:
    """As seconds or as a date, which counts on the other side's clock (RFC 9110 10.2.3)."""

    async def busy(request: web.BaseRequest) -> web.Response:
        date = "Mon, 02 Mar 2026 12:00:00 GMT"
        return web.Response(status=503, headers={"Date": date, "Retry-After": value})

    async with serving(busy) as url:
        with pytest.raises(HubUnavailable) as raised:
            await ask(url, session)
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Mar 2026 99:00:00 GMT"])
async def test_a_date_of_no_use_is_none(session: aiohttp.ClientSession, date: str) -> None:
    """And costs nothing else."""

    async def undated(request: web.BaseRequest) -> web.Response:
        return web.Response(headers={"Date": date})

    async with serving(undated) as url:
        assert (await ask(url, session)).hub_time is None


async def test_a_repeat_ends_with_the_last_attempt(session: aiohttp.ClientSession) -> None:
    """As many as were allowed, each after a pause, and each is observed."""
    clock = FakeClock(skip=True)
    observed: list[int | None] = []

    async def broken(request: web.BaseRequest) -> web.Response:
        return web.Response(status=502)

    async with serving(broken) as url:
        with pytest.raises(HubUnavailable):
            await ask(
                url,
                session,
                clock=clock,
                retry=Retry(attempts=3),
                observe=lambda status, seconds: observed.append(status),
            )
    assert observed == [502, 502, 502]
    assert len(clock.slept) == 2


async def test_an_answer_that_stalls_ends_with_its_time_limit(
    session: aiohttp.ClientSession,
) -> None:
    """Half a body and then silence is no answer."""
    release = asyncio.Event()

    async def stall(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        await release.wait()
        return response

    async with serving(stall) as url:
        with pytest.raises(HubUnavailable, match="TimeoutError"):
            await ask(url, session, timeout_seconds=0.1)
        release.set()


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_was_not_begun_is_sent_again(
    session: aiohttp.ClientSession, unused_tcp_port: int, method: str
) -> None:
    """A refused connection has changed nothing: even a DELETE is repeated."""
    url = f"http://127.0.0.1:{unused_tcp_port}/hub/api"
    observed: list[int | None] = []
    with pytest.raises(HubUnavailable, match="cannot connect"):
        await ask(
            url,
            session,
            method=method,
            retry=Retry(attempts=3),
            observe=lambda status, seconds: observed.append(status),
        )
    assert observed == [None, None, None]


async def test_no_delete_is_repeated_on_a_connection_that_breaks() -> None:
    """The HTTP library would do that on its own with a connection that was used before."""
    asked: list[str] = []

    async def once(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.method)
        if request.method == "DELETE":
            assert request.transport is not None
            request.transport.close()
        return web.Response()

    async with serving(once) as url, client_session(url) as session:
        await ask(url, session)
        with pytest.raises(HubUnavailable):
            await ask(url, session, method="DELETE", retry=Retry(attempts=3))
    assert asked == ["GET", "DELETE"]


async def test_no_error_repeats_the_token(session: aiohttp.ClientSession) -> None:
    """Nor does its cause, which a traceback would show."""

    async def echo(request: web.BaseRequest) -> web.Response:
        return web.Response(status=500, text=request.headers["Authorization"])

    async with serving(echo) as url:
        with pytest.raises(RequestError) as raised:
            await ask(f"{url}?secret={TOKEN}", session)
    error: BaseException | None = raised.value
    while error is not None:
        assert TOKEN not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TLSFiles]:
    """What JupyterHub's internal_ssl makes: an authority, and a key for each side."""
    maker = Certipy(store_dir=str(tmp_path_factory.mktemp("tls")))
    files = {}
    for authority in ("ca", "other-ca"):
        ca = maker.create_ca(authority)
        for side in ("hub", "service"):
            record = maker.create_signed_pair(
                f"{authority}-{side}", authority, alt_names=["DNS:localhost", "IP:127.0.0.1"]
            )
            paths = record["files"]
            files[f"{authority}-{side}"] = TLSFiles(
                keyfile=paths["key"], certfile=paths["cert"], cafile=ca["files"]["cert"]
            )
    return files


async def test_both_sides_show_their_certificates(certificates: dict[str, TLSFiles]) -> None:
    """Mutual TLS as the Hub's internal_ssl has it."""
    context = certificates["ca-hub"].server_context()
    async with (
        serving(hello, context=context) as url,
        client_session(url, tls=certificates["ca-service"]) as session,
    ):
        assert (await ask(url, session)).body == b"/hub/api"


@pytest.mark.parametrize("client", ["other-ca-service", None])
async def test_a_stranger_is_not_spoken_to(
    certificates: dict[str, TLSFiles], client: str | None
) -> None:
    """A server of another authority gets no token, a client without certificate no answer."""
    context = certificates["ca-hub"].server_context()
    asked: list[str] = []

    async def note(request: web.BaseRequest) -> web.Response:
        asked.append(request.raw_path)
        return web.Response()

    tls = certificates[client] if client else None
    async with (
        serving(note, context=context) as url,
        client_session(url, tls=tls) as session,
    ):
        with pytest.raises(HubUnavailable, match=r"cannot connect: .*certificate"):
            await ask(url, session)
    assert asked == []
