"""Sessions: Unix sockets, and requests that are sent only once."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from common.errors import HubUnavailable
from common.hub.connection import ConnectionBroken, client_session, plain_url
from common.hub.retry import Retry
from tests.common.hub.serving import echo_path, send, serving


async def test_a_unix_socket(tmp_path: Path) -> None:
    """A URL can name a Unix socket: its quoted path takes the place of the host."""
    async with (
        serving(echo_path, path=tmp_path / "hub api.sock") as url,
        client_session(url) as session,
    ):
        assert (await send(url + "/user", session)).body == b"/hub/api/user"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://127.0.0.1:8081/hub/api", "http://127.0.0.1:8081/hub/api"),
        ("https://hub:8081/hub/api/", "https://hub:8081/hub/api"),
        ("http+unix://%2Fsrv%2Fhub.sock/hub/api", "http://localhost/hub/api"),
        ("https+unix://%2Fsrv%2Fhub.sock/hub/api/", "https://localhost/hub/api"),
    ],
)
def test_plain_url(url: str, plain: str) -> None:
    """The socket's path belongs to the session, not to the request line."""
    assert plain_url(url) == plain


async def test_a_delete_is_sent_once_if_its_connection_breaks() -> None:
    """aiohttp itself would repeat the DELETE, because the connection was used before."""
    received: list[str] = []

    async def close_on_delete(request: web.BaseRequest) -> web.StreamResponse:
        received.append(request.method)
        if request.method == "DELETE":
            assert request.transport is not None
            request.transport.close()
        return web.Response()

    async with serving(close_on_delete) as url, client_session(url) as session:
        await send(url, session)
        with pytest.raises(HubUnavailable, match="incomplete response: ServerDisconnectedError"):
            await send(url, session, method="DELETE", retry=Retry(attempts=3))
    assert received == ["GET", "DELETE"]


@pytest.mark.parametrize("method", sorted(aiohttp.client.IDEMPOTENT_METHODS))
async def test_every_method_is_sent_once(method: str) -> None:
    """A broken connection raises ConnectionBroken for each method that aiohttp would repeat."""
    received: list[str] = []

    async def close_on_second(request: web.BaseRequest) -> web.StreamResponse:
        received.append(request.method)
        if len(received) == 2:
            assert request.transport is not None
            request.transport.close()
        return web.Response()

    async with serving(close_on_second) as url, client_session(url) as session:
        async with session.request("GET", url):
            pass
        with pytest.raises(ConnectionBroken):
            async with session.request(method, url):
                pass
    assert received == ["GET", method]


async def test_a_refused_connection_is_reported_as_such(unused_tcp_port: int) -> None:
    """If nothing was sent, the error is aiohttp's own."""
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    async with client_session(url) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.delete(url)
