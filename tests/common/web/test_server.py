"""Listening, TLS, shutdown, and the access log."""

import asyncio
import io
import logging
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from certipy import Certipy  # type: ignore[import-untyped]  # no types
from yarl import URL

from common import logs
from common.hub.connection import client_session
from common.hub.tls import TLSFiles
from common.web.server import Bind, serve
from tests.common.web.service import BROWSER, PREFIX, make_app, running


async def test_access_log_has_no_query() -> None:
    """The access log contains method, path and status, but no query and no header."""
    stream = io.StringIO()
    logs.configure(to=stream)
    async with running() as service:
        await service.get(PREFIX + "nothing?code=QUERY", {"Cookie": "a=COOKIE", **BROWSER})
        await service.get(PREFIX + "a%0aforged line", BROWSER)
        await service.get(PREFIX + "health")
    logs.configure(level=logging.WARNING)
    log = stream.getvalue()
    assert "GET /services/cull/nothing 404" in log
    assert "QUERY" not in log
    assert "COOKIE" not in log
    assert "\nforged" not in log
    assert "health" not in log


async def test_tls(tmp_path: Path) -> None:
    """With a context, pages are served over TLS to clients with a certificate from its CA."""
    certipy = Certipy(store_dir=str(tmp_path))
    certipy.create_ca("ca")
    certipy.create_signed_pair("x", "ca", alt_names=["IP:127.0.0.1"])
    key, certificate = str(tmp_path / "x" / "x.key"), str(tmp_path / "x" / "x.crt")
    files = TLSFiles(key, certificate, str(tmp_path / "ca" / "ca.crt"))
    app = make_app()
    async with serve(app, Bind(ssl=files.server_context())) as port:
        url = f"https://127.0.0.1:{port}{PREFIX}health"
        async with client_session(url, tls=files) as session, session.get(url) as answer:
            assert answer.status == 200
        anonymous = TLSFiles("", "", files.cafile)
        async with client_session(url, tls=anonymous) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(url)


async def test_port_in_use() -> None:
    """A port in use raises OSError and leaves nothing open."""
    async with running() as service:
        port = URL(service.origin).port
        assert port is not None
        app = make_app()
        with pytest.raises(OSError, match="in use"):
            async with serve(app, Bind(port=port)):
                pass


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a b", "x" * 70])
async def test_an_address_that_does_not_exist(host: str) -> None:
    """The error names the option and says what to write."""
    with pytest.raises(OSError, match=r"--ip: .* Write 127\.0\.0\.1"):
        async with serve(make_app(), Bind(host)):
            pass


async def test_shutdown_lets_requests_finish() -> None:
    """At shutdown, a request in progress gets its response."""
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        began.set()
        await go_on.wait()
        return web.Response(text="done")

    app = make_app()
    app.router.add_get(PREFIX, slow)
    async with aiohttp.ClientSession() as session:
        async with serve(app, Bind()) as port:
            asking = asyncio.ensure_future(session.get(f"http://127.0.0.1:{port}{PREFIX}"))
            await began.wait()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        async with await asking as answer:
            assert await answer.text() == "done"
