"""Validate the configuration files of the compose.yaml profiles; test_monitoring runs them.

Debian does not package Grafana, so these tests do not run it. They check its files against the keys
that Grafana supports.
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
#: Keys that Grafana supports in its data source and dashboard provisioning files
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
    """Return the path of docker compose, or an empty string if it is not available."""
    with suppress(CommandError, OSError, subprocess.TimeoutExpired):
        plugins()
    plugin = KEPT / "config" / "cli-plugins" / "docker-compose"
    return str(plugin) if plugin.exists() else ""


def composed(*words: str, **settings: str) -> Any:
    """Return the configuration resolved by docker compose; skip if it is not available."""
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
def test_each_profile_adds_its_services(profiles: tuple[str, ...], more: set[str]) -> None:
    """Each profile adds exactly its own services and removes none."""
    words = [word for each in profiles for word in ("--profile", each)]
    plain, with_them = composed(), composed(*words)
    assert set(with_them["services"]) - set(plain["services"]) == more
    assert set(plain["services"]) <= set(with_them["services"])


def test_every_setting_has_a_default() -> None:
    """Compose prints no warnings about settings without a default."""
    words = [compose_program() or "false", "--profile", "monitoring", "--profile", "tls"]
    composed()  # skips the test if Compose is not available
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


def test_tls_publishes_caddy_instead_of_the_proxy() -> None:
    """With compose.tls.yaml only Caddy is published; without it the proxy listens on localhost."""
    (port,) = composed("--profile", "tls")["services"]["proxy"]["ports"]
    assert (port["host_ip"], port["published"]) == ("127.0.0.1", "8000")
    services = composed("-f", "compose.tls.yaml", "--profile", "tls")["services"]
    assert not services["proxy"].get("ports")
    assert {each["published"] for each in services["caddy"]["ports"]} == {"80", "443"}


def test_monitoring_is_isolated_from_the_student_network() -> None:
    """Grafana reaches only Prometheus and listens on localhost; Prometheus publishes no port."""
    services = composed("--profile", "monitoring", "--profile", "tls")["services"]
    networks = {name: set(each.get("networks") or ()) for name, each in services.items()}
    assert networks["grafana"] == {"monitoring"}
    assert networks["prometheus"] == {"control", "monitoring"}
    assert networks["caddy"] == {"front"}
    assert {name for name, each in networks.items() if "students" in each} == {"hub", "proxy"}
    assert "ports" not in services["prometheus"]
    (port,) = services["grafana"]["ports"]
    assert port["host_ip"] == "127.0.0.1"


def test_secrets_are_passed_as_files() -> None:
    """Each service gets only its own secrets, as files instead of environment variables."""
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


def test_prometheus_is_configured_for_the_hub_and_every_service() -> None:
    """Prometheus scrapes every target at its address in compose.yaml and sends the token."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
    jobs = {each["job_name"]: each for each in config["scrape_configs"]}
    found = {
        name: job["static_configs"][0]["targets"][0] + job["metrics_path"]
        for name, job in jobs.items()
    }
    assert found == JOBS
    for job in jobs.values():
        assert job["authorization"] == {"type": "token", "credentials_file": TOKEN}


def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    """promtool accepts the configuration and rejects a misspelled key."""
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


def test_grafana_provisioning_files_use_supported_keys() -> None:
    """The files use only supported keys and refer to Prometheus and the mounted dashboards."""
    # Grafana silently ignores unknown keys.
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
