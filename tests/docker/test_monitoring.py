"""The profiles of compose.yaml: Prometheus sees all, nobody sees it, and https is all there is.

First what needs no engine: the files agree with each other and with what Prometheus and Grafana
take. Grafana itself is in no package of Debian's and is not run anywhere here: its files are held
to the keys that its own reader knows, and a stand-in with its account shows what it can read and
who reaches it.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]

from tests.docker.compose_site import Site, clear, take_down
from tests.docker.engine import BASE, KEPT, ROOT, CommandError, Engine, plugins, run, until
from tests.docker.secure import HOST, browser, insecure_cookies
from tests.integration.realhub import sign_in
from tests.test_grafana import program

DOCKER = ROOT / "docker"
MONITORING = DOCKER / "monitoring"
TOKEN = "/run/secrets/metrics_token"
JOBS = {
    "hub": "hub:8081/hub/metrics",
    "cull": "cull:8000/services/cull/metrics",
    "stats": "stats:8000/services/stats/metrics",
    "formgrader": "formgrader:8000/services/formgrader/metrics",
}
STAND_INS = ("prometheus", "caddy", "grafana")
#: Keys of Grafana's files of data sources and dashboards, as its reader has them
#: (pkg/services/provisioning/datasources/types.go and dashboards/types.go, Grafana 12).
DATA_SOURCE = {
    *("orgId", "orgName", "version", "name", "type", "access", "url", "user", "database"),
    *("basicAuth", "basicAuthUser", "withCredentials", "isDefault", "correlations", "jsonData"),
    *("secureJsonData", "editable", "uid"),
}
PROVIDER = {
    *("orgId", "orgName", "name", "type", "folder", "folderUid", "editable", "options"),
    *("disableDeletion", "updateIntervalSeconds", "allowUiUpdates"),
}


# -- the files


@cache
def compose_program() -> str:
    """Where docker compose is, which needs no engine to read files; empty: not to be had."""
    with suppress(CommandError, OSError, subprocess.TimeoutExpired):
        plugins()
    plugin = KEPT / "config" / "cli-plugins" / "docker-compose"
    return str(plugin) if plugin.exists() else ""


def composed(*words: str, **settings: str) -> Any:
    """What docker compose makes of our files; skips where it is not to be had."""
    if not compose_program():
        reason = "docker compose cannot be had here (root and Debian)"
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(f"REQUIRE_DOCKER=1, but {reason}")
        pytest.skip(f"NO DOCKER: {reason}")
    environment = {"PUBLIC_URL": "https://hub.test", **settings}
    files = ("-f", "compose.yaml", *words, "config", "--format", "json")
    return json.loads(run([compose_program(), *files], env=environment, cwd=DOCKER))


@pytest.mark.parametrize(
    ("profiles", "more"),
    [
        ((), set()),
        (("monitoring",), {"prometheus", "grafana"}),
        (("tls",), {"caddy"}),
        (("monitoring", "tls"), {"prometheus", "grafana", "caddy"}),
    ],
)
def test_each_profile_is_valid_and_adds_what_it_says(
    profiles: tuple[str, ...], more: set[str]
) -> None:
    """And nothing is lost by it."""
    words = [word for each in profiles for word in ("--profile", each)]
    plain, with_them = composed(), composed(*words)
    assert set(with_them["services"]) - set(plain["services"]) == more
    assert set(plain["services"]) <= set(with_them["services"])


def test_with_certificates_the_proxy_is_published_no_more() -> None:
    """By compose.tls.yaml, which docker/setup writes into .env; else on this machine alone."""
    (port,) = composed("--profile", "tls")["services"]["proxy"]["ports"]
    assert (port["host_ip"], port["published"]) == ("127.0.0.1", "8000")
    services = composed("-f", "compose.tls.yaml", "--profile", "tls")["services"]
    assert not services["proxy"].get("ports")
    assert {each["published"] for each in services["caddy"]["ports"]} == {"80", "443"}


def test_who_watches_is_in_no_network_of_students() -> None:
    """Grafana sees Prometheus alone; its port is this machine's, and Prometheus has none."""
    services = composed("--profile", "monitoring", "--profile", "tls")["services"]
    networks = {name: set(each.get("networks") or ()) for name, each in services.items()}
    assert networks["grafana"] == {"monitoring"}
    assert networks["prometheus"] == {"control", "monitoring"}
    assert networks["caddy"] == {"front"}
    assert {name for name, each in networks.items() if "students" in each} == {"hub", "proxy"}
    assert "ports" not in services["prometheus"]
    (port,) = services["grafana"]["ports"]
    assert port["host_ip"] == "127.0.0.1"


def test_their_secrets_are_files() -> None:
    """The token and the password stand in no environment, and each sees its own alone."""
    services = composed("--profile", "monitoring", "--profile", "tls")["services"]
    secrets = {
        name: [each["source"] for each in services[name].get("secrets", ())]
        for name in ("prometheus", "grafana", "caddy")
    }
    assert secrets == {
        "prometheus": ["metrics_token"],
        "grafana": ["grafana_password"],
        "caddy": [],
    }
    environment = services["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana_password"
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in environment


def test_prometheus_asks_the_hub_and_every_service() -> None:
    """With the token, at the address where compose.yaml has it."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    jobs = {each["job_name"]: each for each in config["scrape_configs"]}
    found = {
        name: job["static_configs"][0]["targets"][0] + job["metrics_path"]
        for name, job in jobs.items()
    }
    assert found == JOBS
    for job in jobs.values():
        assert job["authorization"] == {"type": "token", "credentials_file": TOKEN}


def test_promtool_finds_no_mistake_in_the_configuration(tmp_path: Path) -> None:
    """With a token where the container has its own; and it would find one."""
    token = tmp_path / "token"
    token.write_text("t" * 64)
    text = (MONITORING / "prometheus.yml").read_text("utf-8").replace(TOKEN, str(token))
    config = tmp_path / "prometheus.yml"

    def check() -> "subprocess.CompletedProcess[str]":
        words = [program("promtool"), "check", "config", str(config)]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=90)

    config.write_text(text)
    done = check()
    assert done.returncode == 0, done.stderr
    config.write_text(text.replace("metrics_path", "metric_path"))
    assert check().returncode != 0


def test_grafanas_files_have_keys_that_it_knows() -> None:
    """It passes over others without a word; and they lead to Prometheus and to our dashboards."""
    (source,) = _provisioned("datasources/prometheus.yml", "datasources")
    assert set(source) <= DATA_SOURCE
    assert (source["type"], source["access"]) == ("prometheus", "proxy")
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"] is True, "the dashboards' choice of a source begins with it"
    (provider,) = _provisioned("dashboards/classroom.yml", "providers")
    assert set(provider) <= PROVIDER
    assert provider["type"] == "file"
    grafana = composed("--profile", "monitoring")["services"]["grafana"]
    mounts = {each["target"]: each["source"] for each in grafana["volumes"]}
    assert Path(mounts[provider["options"]["path"]]).samefile(DOCKER / "grafana")
    assert Path(mounts["/etc/grafana/provisioning"]).samefile(MONITORING / "grafana")


def _provisioned(name: str, kind: str) -> list[dict[str, Any]]:
    document = yaml.safe_load((MONITORING / "grafana" / name).read_text("utf-8"))
    assert set(document) == {"apiVersion", kind}
    assert document["apiVersion"] == 1
    found: list[dict[str, Any]] = document[kind]
    return found


# -- at work


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hub with both profiles, as docker/setup makes it of an https address; nobody's server."""
    directory = tmp_path_factory.mktemp("profiles")
    site = Site(engine, directory)
    site.url = f"https://{HOST}/"
    (directory / "homes").mkdir(mode=0o755)
    images = {}
    for name in STAND_INS:
        images[f"{name.upper()}_IMAGE"] = image = f"classroom-test-{name}"
        where = ROOT / "tests" / "docker" / "stand_ins"
        engine.docker("build", "-q", "-t", image, "--target", name, str(where))
    postgres = "classroom-postgres"
    engine.docker("build", "-q", "-t", postgres, str(ROOT / "tests" / "docker" / "postgres"))
    site.setup("--defaults")
    settings = (site.directory / ".env").read_text()
    assert "COMPOSE_PROFILES=tls" in settings
    site.configure(
        **images,
        BASE_IMAGE=BASE,
        COMPOSE_PROFILES="monitoring,tls",
        DOCKER_SOCKET=engine.environment["DOCKER_HOST"].removeprefix("unix://"),
        HOMES=str(directory / "homes"),
        POSTGRES_IMAGE=postgres,
        STATS_INTERVAL="10",
        TLS_CERTIFICATE="internal",
    )
    clear(site)  # of a run that was killed
    wanted = ["prometheus", "grafana", "caddy", "proxy", "hub", "cull", "stats", "formgrader"]
    site.compose("build", "--quiet", "proxy", "hub", "cull")
    site.compose("up", "--detach", "--quiet-pull", *wanted)
    try:
        yield site
    finally:
        take_down(site)


def _query(site: Site, expression: str) -> dict[str, str]:
    """What Prometheus answers, by job."""
    words = ("exec", "-T", "prometheus", "promtool", "query", "instant", "-o", "json")
    said = json.loads(site.compose(*words, "http://127.0.0.1:9090", expression))
    return {each["metric"].get("job", ""): each["value"][1] for each in said}


async def test_prometheus_sees_the_hub_and_every_service(site: Site) -> None:
    """All targets are up, and each tells its own."""
    end = time.monotonic() + 240
    found: dict[str, str] = {}
    while found != dict.fromkeys(JOBS, "1"):
        assert time.monotonic() < end, (found, site.compose("logs", "prometheus")[-3000:])
        await asyncio.sleep(1)
        try:
            found = await asyncio.to_thread(_query, site, "up")
        except CommandError:
            continue  # it is not up yet
    for name in ("cull", "stats", "formgrader"):
        assert name in _query(site, f'count by (job) ({{__name__=~"jupyterhub_{name}_.+"}})')
    assert "hub" in _query(site, "jupyterhub_total_users")


def test_without_the_token_there_is_nothing_to_see(site: Site) -> None:
    """And the token stands in a file alone."""
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


def test_grafana_can_read_what_it_is_given(site: Site) -> None:
    """As its account: the password, where from and which dashboards; and Prometheus answers it."""
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


def test_students_reach_neither_prometheus_nor_grafana(site: Site) -> None:
    """By no name and no address, and not by a port of the machine."""
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
    # The last shows that the program reaches what it may.
    assert said == "proxy 8000\n"


def test_setup_tells_caddys_ports_from_those_of_others(site: Site) -> None:
    """Its own are as they should be; somebody else's are told, with by whom they are held."""
    assert site.setup("--check") == "All is well.\n"
    settings = site.directory / ".env"
    kept = settings.read_text()
    try:
        site.configure(COMPOSE_PROFILES="", PORT="443")
        with pytest.raises(CommandError, match="443 is taken by the container classroom-caddy-1"):
            site.setup("--check")
    finally:
        settings.write_text(kept)


@pytest.fixture(scope="module")
def authority(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of caddy's own authority."""
    path = tmp_path_factory.mktemp("authority") / "root.crt"
    there = "caddy:/data/caddy/pki/authorities/local/root.crt"

    def copied() -> bool:
        with suppress(CommandError):
            site.compose("cp", there, str(path))
        return path.exists()

    until("caddy's authority", copied, seconds=120)
    return path


async def test_the_hub_is_there_by_https_alone(site: Site, authority: Path) -> None:
    """With the ports and the way of compose.yaml: somebody signs in, with secure cookies, at the
    hub and at a service; http leads to https, and the proxy itself is not to be reached.
    """
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
