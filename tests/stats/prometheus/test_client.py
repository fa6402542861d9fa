"""Queries to a Prometheus that fails, refuses, or sends something else."""

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from certipy import Certipy  # type: ignore[import-untyped]  # it has no types

from common.hub.connection import client_session
from common.hub.tls import TLSFiles
from services.stats.prometheus import client as client_module
from services.stats.prometheus.client import (
    PrometheusClient,
    PrometheusSettings,
    PrometheusUnavailable,
    credentials,
)
from tests.common.hub.serving import serving
from tests.stats.prometheus.fake import FakePrometheus

OK = b'{"status":"success","data":{"resultType":"matrix","result":[%s]}}'


@asynccontextmanager
async def connected(url: str, **settings: object) -> AsyncIterator[PrometheusClient]:
    """A client of that address."""
    async with client_session(url) as session:
        yield PrometheusClient(session, PrometheusSettings(url, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "headers", "body", "message"),
    [
        (401, {}, b"", "refused access (HTTP 401); check --prometheus-token-file"),
        (403, {}, b"no", "refused access (HTTP 403)"),
        (302, {"Location": "http://x/"}, b"", "write the final one in --prometheus-url"),
        (200, {}, b"<html>Grafana</html>", "not that of a Prometheus (HTTP 200); check"),
        (200, {}, b"\xff\xfe", "not that of a Prometheus"),
        (404, {}, b"not found", "not that of a Prometheus (HTTP 404)"),
        (502, {}, b"bad gateway", "not that of a Prometheus (HTTP 502)"),
        (422, {}, b'{"status":"error","errorType":"execution","error":"too many"}', "execution"),
        (200, {}, b'{"status":"error","errorType":"<b>","error":"x"}', "HTTP 200, error)"),
        (200, {}, b'{"status":"success"}', "incomplete"),
        (200, {}, OK.replace(b"matrix", b"vector") % b"", "no time series"),
        (200, {}, OK % b'{"metric":{"pod":1},"values":[]}', "unexpected time series"),
        (200, {}, OK % b'{"metric":{},"values":[[1]]}', "unexpected time series"),
        (200, {}, (OK % b"")[:-5], "not that of a Prometheus"),
        (200, {}, b'{"a":' * 20_000, "not that of a Prometheus"),
        (200, {}, OK % (b"[" * 20_000), "not that of a Prometheus"),
        (200, {}, OK % b'{"values":[[1e300,"1"]]}', "other times"),
        (200, {}, OK % b'{"values":[[-3600,"1"]]}', "other times"),
        (200, {}, OK % b'{"values":[[0,"1"],[15,"1"],[30,"1"],[45,"1"]]}', "other times"),
    ],
)
async def test_unusable_responses(
    status: int, headers: dict[str, str], body: bytes, message: str
) -> None:
    """Each has a reason that says what to check."""
    async with FakePrometheus() as fake, connected(fake.url) as client:
        fake.respond = (status, headers, body)
        with pytest.raises(PrometheusUnavailable) as raised:
            await client.query_range("up", 0, 60, 60)
        assert message in str(raised.value)
        assert fake.url not in str(raised.value)


async def test_no_response() -> None:
    """A Prometheus that hangs, or does not run, is reported within the time limit."""
    async with FakePrometheus() as fake, connected(fake.url, timeout_seconds=0.05) as client:
        fake.answering.clear()
        with pytest.raises(PrometheusUnavailable, match=r"did not respond within 0\.05 s"):
            await client.query_range("up", 0, 60, 60)
        url = fake.url
    async with connected(url) as client:
        with pytest.raises(PrometheusUnavailable, match="does not accept connections"):
            await client.query_range("up", 0, 60, 60)


async def test_size_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A response that is too large, or of too many series, is refused and not cut short."""
    one = b'{"metric":{"pod":"x"},"values":[[60,"1"]]}'
    async with FakePrometheus() as fake, connected(fake.url) as client:
        fake.respond = (200, {}, OK % b",".join([one] * 3))
        assert len(await client.query_range("up", 0, 60, 60)) == 3
        monkeypatch.setattr(client_module, "MOST_SERIES", 2)
        with pytest.raises(PrometheusUnavailable, match="3 time series, more than 2"):
            await client.query_range("up", 0, 60, 60)
        monkeypatch.setattr(client_module, "LARGEST", 100)
        with pytest.raises(PrometheusUnavailable, match="larger than"):
            await client.query_range("up", 0, 60, 60)


@pytest.mark.parametrize(
    ("content", "header"),
    [("s3cret-token\n", "Bearer s3cret-token"), ("stats:s3cret\n", "Basic c3RhdHM6czNjcmV0")],
)
async def test_authentication(
    content: str, header: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The file has a token or a password, is read for each query, and never reaches the log."""
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    async with FakePrometheus() as fake, connected(fake.url, token_file=str(file)) as client:
        fake.authorization = header
        query = 'container_memory_working_set_bytes{x=~""}'
        assert await client.query_range(query, 0, 1, 1) == []
        file.write_text("another-s3cret", encoding="utf-8")
        with pytest.raises(PrometheusUnavailable) as raised:
            await client.query_range("up", 0, 60, 60)
        file.unlink()
        with pytest.raises(PrometheusUnavailable, match="cannot be read"):
            await client.query_range("up", 0, 60, 60)
    assert "s3cret" not in caplog.text
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xff"])
def test_unusable_token_files(content: bytes, tmp_path: Path) -> None:
    """The message says what the file should contain, not what it does contain."""
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(PrometheusUnavailable, match="--prometheus-token-file") as raised:
        credentials(str(file))
    assert "lines" not in str(raised.value)


async def test_own_authority(tmp_path: Path) -> None:
    """A certificate of an own authority is accepted only if the authority is configured."""
    maker = Certipy(store_dir=str(tmp_path))
    ca_file = maker.create_ca("ca")["files"]["cert"]
    files = maker.create_signed_pair("prometheus", "ca", alt_names=["IP:127.0.0.1"])["files"]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["cert"], files["key"])

    async def respond(request: web.BaseRequest) -> web.Response:
        assert request.path == "/hub/api/api/v1/query_range"
        return web.Response(body=OK % b"")

    async with serving(respond, context=context) as url:
        settings = PrometheusSettings(url, ca_file=ca_file)
        tls = TLSFiles(keyfile="", certfile="", cafile=ca_file)
        async with client_session(url, tls=tls) as session:
            assert await PrometheusClient(session, settings).query_range("up", 0, 60, 60) == []
        async with connected(url) as client:
            with pytest.raises(PrometheusUnavailable, match="--prometheus-ca-file"):
                await client.query_range("up", 0, 60, 60)
