"""Mutual TLS with certificates like those of JupyterHub's ``internal_ssl``."""

from pathlib import Path

import pytest
from aiohttp import web
from certipy import Certipy  # type: ignore[import-untyped]  # it has no types

from common.errors import HubUnavailable
from common.hub.connection import client_session
from common.hub.tls import TLSFiles
from tests.common.hub.serving import echo_path, send, serving


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TLSFiles]:
    """Two authorities, each with a key and certificate for a Hub and for a service."""
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


async def test_both_sides_present_their_certificates(certificates: dict[str, TLSFiles]) -> None:
    """Two sides with certificates of one authority can connect."""
    context = certificates["ca-hub"].server_context()
    async with (
        serving(echo_path, context=context) as url,
        client_session(url, tls=certificates["ca-service"]) as session,
    ):
        assert (await send(url, session)).body == b"/hub/api"


@pytest.mark.parametrize("client", ["other-ca-service", None])
async def test_a_stranger_is_refused(certificates: dict[str, TLSFiles], client: str | None) -> None:
    """A server of another authority receives no request, and so no token."""
    context = certificates["ca-hub"].server_context()
    received: list[str] = []

    async def record(request: web.BaseRequest) -> web.Response:
        received.append(request.raw_path)
        return web.Response()

    tls = certificates[client] if client else None
    async with (
        serving(record, context=context) as url,
        client_session(url, tls=tls) as session,
    ):
        with pytest.raises(HubUnavailable, match=r"cannot connect: .*certificate"):
            await send(url, session)
    assert received == []


async def test_a_client_without_a_certificate_is_refused(
    certificates: dict[str, TLSFiles],
) -> None:
    """With an authority, a server accepts only clients that present a certificate."""
    files = certificates["ca-hub"]
    async with (
        serving(echo_path, context=files.server_context()) as url,
        client_session(url, tls=TLSFiles("", "", files.cafile)) as session,
    ):
        with pytest.raises(HubUnavailable):
            await send(url, session)


def test_a_missing_file(tmp_path: Path) -> None:
    """A file that cannot be read is an OSError, when serving and when connecting."""
    missing = TLSFiles(*(str(tmp_path / name) for name in ("key", "cert", "ca")))
    with pytest.raises(OSError, match="No such file"):
        missing.client_context()
    with pytest.raises(OSError, match="No such file"):
        missing.server_context()
