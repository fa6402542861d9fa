"""Where a formgrader listens, and how requests to it are sent."""

from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.formgrader_proxy.upstream.endpoint import Upstream


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888"),
        ("https://grades.example", "https://grades.example"),
        ("http+unix://%2Frun%2Fsocket", "http://localhost"),
    ],
)
async def test_the_origin(url: str, origin: str) -> None:
    """Scheme and authority; a Unix socket has no host."""
    upstream = Upstream.at(url, None)
    assert upstream.origin == origin
    await upstream.close()


@pytest.mark.parametrize(("token", "header"), [(None, {}), ("t", {"Authorization": "token t"})])
async def test_the_token(token: str | None, header: dict[str, str]) -> None:
    """A formgrader without a token gets no header."""
    upstream = Upstream.at("http://127.0.0.1:8888", token)
    assert upstream.authorization == header
    await upstream.close()


async def test_the_session_adds_nothing_of_its_own(tmp_path: Path) -> None:
    """No default header fields, no cookies, no decompression; on a Unix socket, too."""
    seen: list[web.Request] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request)
        headers = {"Set-Cookie": "a=b", "Content-Encoding": "gzip"}
        return web.Response(body=b"not really gzip", headers=headers)

    app = web.Application()
    app.router.add_get("/", handler)
    server = TestServer(app)
    await server.start_server()
    assert server.runner is not None
    path = tmp_path / "socket"
    await web.UnixSite(server.runner, str(path)).start()
    upstream = Upstream.at(f"http+unix://{quote(str(path), safe='')}", None)
    try:
        for _ in range(2):
            async with upstream.session.get(upstream.origin + "/") as answer:
                assert await answer.read() == b"not really gzip"
    finally:
        await upstream.close()
        await server.close()
    for request in seen:
        assert set(request.headers) == {"Host"}
