"""Test a deployment with the monitoring and TLS profiles of compose.yaml.

Debian does not package Grafana, so a stand-in with the same user ID checks file permissions and
network access.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.docker.compose.secure import HOST, browser, insecure_cookies
from tests.docker.compose.site import Site, clear, take_down
from tests.docker.compose.test_profiles import JOBS
from tests.docker.engine import BASE, CommandError, Engine, until
from tests.integration.realhub import sign_in
from tests.paths import ROOT

REPLACED_IMAGES = ("prometheus", "caddy", "grafana")
#: A second Caddy acts as an ACME certificate authority, like Let's Encrypt. For this test only, the
#: Caddy under test trusts that authority and is reachable from it as hub.test.
ACME = """
services:
  acme:
    image: classroom-test-caddy
    networks: {front: {aliases: [acme.test]}}
    volumes: ["acme:/data"]
    configs: [{source: acme, target: /etc/caddy/Caddyfile}]
    healthcheck:
      test: ["CMD", "test", "-s", "/data/caddy/pki/authorities/local/root.crt"]
      interval: 1s
      retries: 120
  caddy:
    environment: {SSL_CERT_FILE: /acme/caddy/pki/authorities/local/root.crt}
    networks: {front: {aliases: [hub.test]}}
    volumes: ["acme:/acme:ro"]
    depends_on: {acme: {condition: service_healthy}}
volumes:
  acme: {}
configs:
  acme:
    content: |
      acme.test {
        tls internal
        acme_server
      }
"""


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub with both profiles, set up by docker/setup with an HTTPS URL; no user servers run."""
    directory = tmp_path_factory.mktemp("profiles")
    site = Site(engine, directory)
    site.url = f"https://{HOST}/"
    (directory / "homes").mkdir(mode=0o755)
    images = {}
    for name in REPLACED_IMAGES:
        images[f"{name.upper()}_IMAGE"] = image = f"classroom-test-{name}"
        where = ROOT / "tests" / "docker" / "replacement_images"
        engine.docker("build", "-q", "-t", image, "--target", name, str(where))
    postgres = "classroom-postgres"
    engine.docker("build", "-q", "-t", postgres, str(ROOT / "tests" / "docker" / "postgres"))
    site.setup("--defaults")
    settings = (site.directory / ".env").read_text()
    assert "COMPOSE_PROFILES=tls" in settings
    site.configure(
        **images,
        BASE_IMAGE=BASE,
        COMPOSE_FILE="compose.yaml:compose.tls.yaml:acme.yaml",
        COMPOSE_PROFILES="monitoring,tls",
        DOCKER_SOCKET=engine.environment["DOCKER_HOST"].removeprefix("unix://"),
        HOMES=str(directory / "homes"),
        POSTGRES_IMAGE=postgres,
        STATS_INTERVAL="10",
        TLS_AUTHORITY="https://acme.test/acme/local/directory",
    )
    (site.directory / "acme.yaml").write_text(ACME)
    clear(site)  # remove the remains of a killed run
    wanted = ["prometheus", "grafana", "caddy", "proxy", "hub", "cull", "stats", "formgrader"]
    site.compose("build", "--quiet", "proxy", "hub", "cull")
    site.compose("up", "--detach", "--quiet-pull", *wanted)
    try:
        until("the hub and the services", lambda: _healthy(site), seconds=300)
        yield site
    finally:
        take_down(site)


def _healthy(site: Site) -> bool:
    """Return whether the containers of all Prometheus targets are healthy."""
    names = [f"classroom-{name}-1" for name in JOBS]
    said = site.engine.docker("inspect", "--format", "{{.State.Health.Status}}", *names)
    return said.split() == ["healthy"] * len(JOBS)


def test_metrics_require_the_token(site: Site) -> None:
    """Metrics requests without the token are rejected, and docker inspect reveals no secrets."""
    look = (
        "import urllib.request, urllib.error\n"
        f"for each in {list(JOBS.values())!r}:\n"
        "    try:\n"
        "        print(urllib.request.urlopen('http://' + each, timeout=30).status)\n"
        "    except urllib.error.HTTPError as error:\n"
        "        print(error.code)\n"
    )
    said = site.compose("exec", "-T", "prometheus", "python3", "-c", look).split()
    assert len(said) == len(JOBS)
    assert set(said) <= {"401", "403"}
    inspected = site.engine.docker("inspect", "classroom-prometheus-1", "classroom-grafana-1")
    assert site.secret("metrics_token") not in inspected
    assert site.secret("grafana_password") not in inspected


def test_grafana_can_read_its_files_and_reach_prometheus(site: Site) -> None:
    """Grafana's user can read its password, provisioning and dashboards, and reach Prometheus."""
    look = (
        "import json, urllib.request\n"
        "print(len(open('/run/secrets/grafana_password').read().strip()))\n"
        "for each in ('datasources/prometheus.yml', 'dashboards/classroom.yml'):\n"
        "    print(len(open('/etc/grafana/provisioning/' + each).read()) > 0)\n"
        "for each in ('cull', 'stats'):\n"
        "    print(json.load(open(f'/var/lib/grafana/dashboards/{each}.json'))['uid'])\n"
        "print(urllib.request.urlopen('http://prometheus:9090/-/healthy', timeout=30).status)\n"
    )
    said = site.compose("exec", "-T", "grafana", "python3", "-c", look).split()
    assert said == ["64", "True", "True", "classroom-cull", "classroom-stats", "200"]


def test_students_cannot_reach_prometheus_or_grafana(site: Site) -> None:
    """Prometheus and Grafana are unreachable from the student network by name, IP or host port."""
    places = [("prometheus", 9090), ("grafana", 3000)]
    for name, port in (("prometheus", 9090), ("grafana", 3000)):
        (inspected,) = json.loads(site.engine.docker("inspect", f"classroom-{name}-1"))
        for each in inspected["NetworkSettings"]["Networks"].values():
            places += [(each["IPAddress"], port), (each["Gateway"], port)]
    (students,) = json.loads(site.engine.docker("network", "inspect", "classroom_students"))
    places.append((students["IPAM"]["Config"][0].get("Gateway", "10.92.0.1"), 3000))
    look = (
        "import socket\n"
        f"for place in {[*places, ('proxy', 8000)]!r}:\n"
        "    try:\n"
        "        socket.create_connection(place, 3).close()\n"
        "        print(*place)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    words = ("run", "--rm", "--network", "classroom_students", "--user", "1000001", BASE)
    said = site.engine.docker(*words, "python3", "-c", look, timeout=300)
    # The proxy is reachable, so the check itself works.
    assert said == "proxy 8000\n"


def test_setup_check_reports_only_ports_used_by_others(site: Site) -> None:
    """The check accepts Caddy's own ports and names the container that uses a conflicting one."""
    assert site.setup("--check") == "No problems found.\n"
    settings = site.directory / ".env"
    kept = settings.read_text()
    try:
        site.configure(COMPOSE_PROFILES="", PORT="443")
        with pytest.raises(CommandError, match="443 is in use by the container classroom-caddy-1"):
            site.setup("--check")
    finally:
        settings.write_text(kept)


@pytest.fixture(scope="module")
def authority(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root certificate of the ACME authority."""
    path = tmp_path_factory.mktemp("authority") / "root.crt"
    there = "acme:/data/caddy/pki/authorities/local/root.crt"

    def copied() -> bool:
        with suppress(CommandError):
            site.compose("cp", there, str(path))
        return path.exists()

    until("the authority", copied, seconds=120)
    return path


async def test_hub_is_served_only_over_https(site: Site, authority: Path) -> None:
    """Users sign in over HTTPS with an ACME certificate; HTTP redirects; the proxy is closed."""
    async with browser(site.engine.address, authority) as session:
        end = time.monotonic() + 240
        while True:
            try:
                async with session.get(site.url + "hub/api/") as answer:
                    if answer.status == 200:
                        break
            except aiohttp.ClientError:
                pass
            assert time.monotonic() < end, site.compose("logs", "caddy", "hub")[-3000:]
            await asyncio.sleep(0.5)
        await sign_in(session, site.url, "admin", site.secret("admin_password"))
        async with session.get(site.url + "services/cull/") as page:
            assert (page.status, page.url.path) == (200, "/services/cull/")
        assert insecure_cookies(session) == []
        url = f"http://{HOST}/hub/home"
        async with session.get(url, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (308, f"https://{HOST}/hub/home")
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"http://{HOST}:8000/hub/home")
    said = site.compose("logs", "caddy")
    assert "certificate obtained successfully" in said
    assert "https://acme.test/acme/local/directory" in said


def _query(site: Site, expression: str) -> dict[str, str]:
    """Return the result of a Prometheus query by job."""
    words = ("exec", "-T", "prometheus", "promtool", "query", "instant", "-o", "json")
    said = json.loads(site.compose(*words, "http://127.0.0.1:9090", expression))
    return {each["metric"].get("job", ""): each["value"][1] for each in said}


async def test_prometheus_scrapes_the_hub_and_every_service(site: Site) -> None:
    """All targets are up, and each exposes its own metrics."""
    # This test runs last because Prometheus may scrape only every 30 s.
    end = time.monotonic() + 240
    found: dict[str, str] = {}
    while found != dict.fromkeys(JOBS, "1"):
        assert time.monotonic() < end, (found, site.compose("logs", "prometheus")[-3000:])
        await asyncio.sleep(1)
        try:
            found = await asyncio.to_thread(_query, site, "up")
        except CommandError:
            continue  # Prometheus is not up yet
    for name in ("cull", "stats", "formgrader"):
        assert name in _query(site, f'count by (job) ({{__name__=~"jupyterhub_{name}_.+"}})')
    assert "hub" in _query(site, "jupyterhub_total_users")
