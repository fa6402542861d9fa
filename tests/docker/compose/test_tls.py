"""Test the Caddyfile with a real Caddy in front of a real proxy and hub, using Caddy's local CA.

Caddy listens on 127.0.0.1 and on free ports; everything else is as in the container.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.docker.compose.secure import HOST, browser, insecure_cookies
from tests.integration.conftest import needs_proxy
from tests.integration.processes import end, free_port, wait_until
from tests.integration.realhub import RealHub, sign_in
from tests.paths import ROOT

CADDYFILE = ROOT / "docker" / "monitoring" / "Caddyfile"
DECLARE = """
from services.declare import declare
declare(c, cull={{"timeout": 3600, "db_url": "sqlite:///{}/cull.sqlite"}})
"""


def program() -> str:
    """Return the path of caddy; skip the test if it is not installed."""
    found = shutil.which("caddy") or shutil.which("caddy", path=f"{sys.prefix}/lib/caddy")
    if found is None:
        pytest.skip("caddy is not installed (Debian's package caddy; make programs)")
    return found


def environment(directory: Path, **settings: str) -> dict[str, str]:
    """Return the environment that the Caddy container has."""
    places = {"HOME": directory, "XDG_DATA_HOME": directory, "XDG_CONFIG_HOME": directory}
    return {
        "PATH": os.environ["PATH"],
        **{name: str(place) for name, place in places.items()},
        "HOST": HOST,
        "CERTIFICATE": "",
        "AUTHORITY": "",
        **settings,
    }


def adapted(directory: Path, **settings: str) -> Any:
    """Return the Caddyfile converted to Caddy's JSON configuration."""
    done = subprocess.run(
        [program(), "adapt", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
        env=environment(directory, **settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Front:
    """A running hub behind Caddy; ``http`` and ``https`` are Caddy's URLs with a trailing slash."""

    hub: RealHub

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ports = free_port(), free_port()
        self.http, self.https = (
            f"{scheme}://{HOST}:{port}/"
            for scheme, port in zip(("http", "https"), self._ports, strict=True)
        )
        self.authority = directory / "caddy/pki/authorities/local/root.crt"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, hub: RealHub) -> None:
        """Start Caddy in front of the hub and wait until it has issued a certificate."""
        self.hub = hub
        http, https = map(str, self._ports)
        settings = {
            "CERTIFICATE": "tls internal",
            "HTTP_PORT": http,
            "HTTPS_PORT": https,
            "PROXY": hub.url.split("/")[2],
        }
        config = adapted(self.directory, **settings)
        (server,) = config["apps"]["http"]["servers"].values()
        assert server["listen"] == [f":{https}"]
        server["listen"] = [f"127.0.0.1:{https}"]
        file = self.directory / "caddy.json"
        file.write_text(json.dumps(config))
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program(), "run", "--config", str(file)],
                env=environment(self.directory, **settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until("caddy's authority", self._is_up, seconds=90)

    def stop(self) -> None:
        """Stop Caddy."""
        if self._process is not None:
            end(self._process)

    def _is_up(self) -> bool:
        assert self._process is not None
        said = (self.directory / "log").read_text()
        assert self._process.poll() is None, said
        return "certificate obtained successfully" in said and self.authority.exists()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A hub behind Caddy, shared by all tests in this module."""
    needs_proxy()
    program()
    directory = tmp_path_factory.mktemp("hub")
    made = Front(tmp_path_factory.mktemp("caddy"))
    # The settings of docker/hub when PUBLIC_URL begins with https.
    config = f"{DECLARE.format(directory)}\nc.JupyterHub.public_url = {made.https!r}\n"
    options = {"cookie_options": {"secure": True}}
    with RealHub(directory, extra_config=config, tornado_settings=options) as hub:
        try:
            made.start(hub)
            yield made
        finally:
            made.stop()


@pytest.fixture
async def session(front: Front) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser session without cookies."""
    async with browser("127.0.0.1", front.authority) as session:
        yield session


async def test_sign_in_sets_only_secure_cookies(
    front: Front, session: aiohttp.ClientSession
) -> None:
    """Signing in to the hub and to a service over HTTPS sets only secure cookies."""
    await sign_in(session, front.https, "ana")
    async with session.get(front.https + "hub/home") as page:
        assert page.status == 200
        assert "ana" in await page.text()
        assert page.headers["Strict-Transport-Security"] == "max-age=2592000"
    async with session.get(front.https + "services/cull/") as page:
        assert page.status == 200
        assert page.url.path == "/services/cull/"
    names = {cookie.key for cookie in session.cookie_jar}
    assert {"jupyterhub-session-id", "service-cull"} <= names, names
    assert insecure_cookies(session) == []


async def test_http_redirects_to_https(front: Front, session: aiohttp.ClientSession) -> None:
    """Caddy redirects HTTP requests to the same page over HTTPS without contacting the hub."""
    url = front.http + "hub/login?next=home"
    async with session.get(url, allow_redirects=False) as answer:
        assert answer.status == 308
        assert answer.headers["Location"] == f"https://{HOST}/hub/login?next=home"
        assert "Set-Cookie" not in answer.headers


async def test_websockets_work_and_caddy_sets_the_forwarded_headers(
    front: Front, session: aiohttp.ClientSession
) -> None:
    """WebSockets pass through Caddy and the proxy; X-Forwarded headers from clients are ignored."""

    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(
            {
                name: request.headers.get(f"X-Forwarded-{name}", "").split(",")[0]
                for name in ("Proto", "For")
            }
        )
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/echo", echo)
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession() as program:
        route = f"{front.hub.proxy_api_url}/api/routes/echo"
        headers = {"Authorization": f"token {front.hub.proxy_token}"}
        target = {"target": str(server.make_url("")).rstrip("/")}
        async with program.post(route, json=target, headers=headers) as answer:
            assert answer.status == 201
        lies = {"X-Forwarded-Proto": "gopher", "X-Forwarded-For": "192.0.2.1"}
        async with session.ws_connect(front.https + "echo", headers=lies) as socket:
            assert await socket.receive_json(timeout=90) == {"Proto": "https", "For": "127.0.0.1"}
            await socket.send_str("x" * 100_000)
            assert await socket.receive_str(timeout=90) == "x" * 100_000
        async with program.delete(route, headers=headers) as answer:
            assert answer.status == 204


@pytest.mark.parametrize(
    ("certificate", "issuers"),
    [
        ("", None),
        ("tls it@university.example", {"acme", "zerossl"}),
        ("tls internal", {"internal"}),
    ],
)
def test_setting_selects_the_certificate_issuer(
    tmp_path: Path, certificate: str, issuers: set[str] | None
) -> None:
    """Caddy's default issuers are used unless an email address or the local CA is configured."""
    config = adapted(tmp_path, CERTIFICATE=certificate)
    policies = config["apps"].get("tls", {}).get("automation", {}).get("policies")
    if issuers is None:
        assert policies is None
        return
    (policy,) = policies
    assert policy["subjects"] == [HOST]
    assert {each["module"] for each in policy["issuers"]} <= issuers
    if "@" in certificate:
        assert {each["email"] for each in policy["issuers"]} == {"it@university.example"}


def test_separate_origins_use_a_wildcard_certificate(tmp_path: Path) -> None:
    """With SUBDOMAINS=yes, one site serves the hub and all names below it with the given files."""
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text("utf-8"))
    host = compose["services"]["caddy"]["environment"]["HOST"]
    assert host == "${TLS_HOST:-}${TLS_WILDCARD:+, ${TLS_WILDCARD:-}}"
    files = "/certificates/fullchain.pem /certificates/privkey.pem"
    config = adapted(tmp_path, HOST=f"{HOST}, *.{HOST}", CERTIFICATE=f"tls {files}")
    (server,) = config["apps"]["http"]["servers"].values()
    (route,) = server["routes"]
    assert set(route["match"][0]["host"]) == {HOST, f"*.{HOST}"}
    (loaded,) = config["apps"]["tls"]["certificates"]["load_files"]
    assert f"{loaded['certificate']} {loaded['key']}" == files


def test_custom_acme_authority_replaces_the_default(tmp_path: Path) -> None:
    """The configured ACME directory is the only issuer."""
    directory = "https://acme.university.example/directory"
    config = adapted(tmp_path, AUTHORITY=f"acme_ca {directory}")
    (policy,) = config["apps"]["tls"]["automation"]["policies"]
    assert [each["ca"] for each in policy["issuers"]] == [directory]


def test_admin_api_and_trust_installation_are_disabled(tmp_path: Path) -> None:
    """Caddy has no admin API and does not add its local CA to the system's trust store."""
    config = adapted(tmp_path, CERTIFICATE="tls internal")
    assert config["admin"]["disabled"] is True
    assert config["apps"]["pki"]["certificate_authorities"]["local"]["install_trust"] is False
