"""The profiles of compose.yaml, by their files: they agree with each other and with what Compose,
Prometheus and Grafana take. test_monitoring has them at work.

Grafana is in no package of Debian's and is not run anywhere here: its files are held to the keys
that its own reader knows.
"""

import json
import os
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deployment.test_grafana import program
from tests.docker.engine import KEPT, CommandError, plugins, run
from tests.paths import ROOT

DOCKER = ROOT / "docker"
MONITORING = DOCKER / "monitoring"
TOKEN = "/run/secrets/metrics_token"
JOBS = {
    "hub": "hub:8081/hub/metrics",
    "cull": "cull:8000/services/cull/metrics",
    "stats": "stats:8000/services/stats/metrics",
    "formgrader": "formgrader:8000/services/formgrader/metrics",
}
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


def test_no_setting_is_missed() -> None:
    """Compose warns of each that has no default, at every command."""
    words = [compose_program() or "false", "--profile", "monitoring", "--profile", "tls"]
    composed()  # skips where there is no Compose
    done = subprocess.run(
        [*words, "-f", "compose.yaml", "config", "--quiet"],
        env={"PUBLIC_URL": "https://hub.test", "TLS_AUTHORITY": "https://acme.test/directory"},
        cwd=DOCKER,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert (done.returncode, done.stderr) == (0, "")


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
