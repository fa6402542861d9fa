"""A real hub with a host name for each user and service, and a service as in its container."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.integration.conftest import needs_proxy
from tests.integration.processes import end, free_port, proxy_command, wait_until
from tests.integration.realhub import BROWSER, RealHub, sign_in
from tests.paths import ROOT

HOST = "hub.test"
TOKEN = "c" * 40
CONFIGURATION = """
import sys
sys.path[:0] = {paths!r}
from classroom_hub.subdomains import configure_subdomains
from services.declare import declare
public_url = c.JupyterHub.bind_url.replace("127.0.0.1", {host!r})
c.JupyterHub.public_url = public_url
assert configure_subdomains(c, "yes", public_url) == []
declare(c, cull={{"url": {service!r}, "api_token": {token!r}}})
"""
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}


class Localhost(AbstractResolver):
    """Resolves every name to 127.0.0.1, as wildcard DNS would."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the address."""
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Do nothing; there are no resources to release."""


class Site:
    """The hub at ``hub.test`` and the culler, which runs through the entry point of its image."""

    def __init__(self, hub: RealHub) -> None:
        self.hub = hub
        self.port = hub.url.rstrip("/").rpartition(":")[2]

    def url(self, path: str, name: str = "") -> str:
        """Return a URL of the hub, or of a user or service."""
        return f"http://{name}{'.' if name else ''}{HOST}:{self.port}/{path}"

    @asynccontextmanager
    async def browser(self, user: str) -> AsyncIterator[aiohttp.ClientSession]:
        """Sign in as a user."""
        connector = aiohttp.TCPConnector(resolver=Localhost())
        async with aiohttp.ClientSession(connector=connector, headers=BROWSER) as session:
            await sign_in(session, self.url(""), user)
            yield session


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The hub and the service, shared by all tests of this module."""
    needs_proxy()
    directory = tmp_path_factory.mktemp("hub")
    port = free_port()
    config = CONFIGURATION.format(
        paths=[str(ROOT), str(ROOT / "docker" / "hub")],
        host=HOST,
        service=f"http://127.0.0.1:{port}",
        token=TOKEN,
    )
    secrets = directory / "secrets"
    secrets.mkdir()
    (secrets / "cull_token").write_text(TOKEN)
    scratch = directory / "tmp"
    scratch.mkdir()
    with RealHub(directory, extra_config=config) as hub:
        made = Site(hub)
        environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(scratch),
            "SECRETS": str(secrets),
            "JUPYTERHUB_API_URL": f"{hub.api_url.rstrip('/')}",
            "PUBLIC_URL": made.url("").rstrip("/"),
            "SUBDOMAINS": "yes",
            "DATABASE": f"sqlite:///{directory}/cull.sqlite",
        }
        start = ROOT / "docker/images/services/start.py"
        words = [sys.executable, str(start), "cull", "--ip=127.0.0.1", f"--port={port}"]
        with (directory / "cull.log").open("wb") as log:
            service = subprocess.Popen(words, env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            wait_until("the culler", lambda: listens(port), seconds=90)
            yield made
        finally:
            end(service)


def listens(port: int) -> bool:
    """Whether a program listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_a_user_signs_in_to_a_service_at_its_own_host_name(site: Site) -> None:
    """The Hub sends the browser back to the service's name, where its cookies are."""
    async with site.browser("ana") as ana:
        own = site.url("services/cull/", "cull--service")
        async with ana.get(own, headers=PAGE) as page:
            assert (page.status, str(page.url)) == (200, own)
            assert "ana" in await page.text()
        cookies = {
            each.key: each["domain"] for each in ana.cookie_jar if each.key.startswith("service-")
        }
        assert cookies
        assert set(cookies.values()) == {f"cull--service.{HOST}"}


async def test_a_users_server_has_its_own_host_name(site: Site) -> None:
    """It is not served at the hub's own name, and services are not served at the user's."""
    await site.hub.create_user("ben")
    await site.hub.start_server("ben")
    async with site.browser("ben") as ben:
        async with ben.get(site.url("user/ben/", "ben"), headers=PAGE) as page:
            assert page.url.host == f"ben.{HOST}"
            assert page.status == 200
        for name, path in (("", "user/ben/"), ("ben", "services/cull/")):
            url = site.url(path, name)
            async with ben.get(url, headers=PAGE, allow_redirects=False) as answer:
                assert answer.status in {302, 404}


def test_the_proxy_routes_by_host_name_if_requested() -> None:
    """The option of docker/images/proxy/start.py exists in the installed proxy."""
    needs_proxy()
    start = (ROOT / "docker/images/proxy/start.py").read_text("utf-8")
    (option,) = re.findall(r'words\.append\("(--[a-z-]+)"\)', start)
    words = [*(proxy_command() or ()), "--help"]
    assert option in subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", ["compose.yaml", "stack.yaml"])
def test_the_hub_the_proxy_and_the_services_have_the_setting(name: str) -> None:
    """Otherwise their addresses would not match."""
    text = (ROOT / "docker" / name).read_text("utf-8")
    # The services share theirs.
    assert text.count("SUBDOMAINS: ${SUBDOMAINS:-no}") == 3
