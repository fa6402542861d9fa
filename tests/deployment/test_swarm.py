"""docker/swarm: the problems it reports before a deployment."""

import importlib.util
import socket
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.paths import ROOT


@pytest.fixture(scope="module")
def swarm() -> ModuleType:
    """The script, loaded as a module."""
    path = ROOT / "docker" / "swarm"
    loader = SourceFileLoader("docker_swarm", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def node(state: str = "ready", **labels: str) -> Any:
    """Return a node in the format of the Engine API."""
    spec = {"Availability": "active", "Labels": {f"classroom.{k}": v for k, v in labels.items()}}
    return {"Status": {"State": state}, "Spec": spec}


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"Swarm": {"LocalNodeState": "inactive"}}, "run docker swarm init --advertise-addr"),
        (
            {"Swarm": {"LocalNodeState": "active", "ControlAvailable": False}},
            "run this command on a manager",
        ),
        ({}, "is not part of a swarm"),
    ],
)
def test_a_missing_swarm_is_reported(swarm: ModuleType, info: Any, expected: str) -> None:
    """The message says how to create a swarm, or where to run the command."""
    (line,) = swarm.check_swarm(info)
    assert expected in line


def test_a_swarm_manager_has_no_problems(swarm: ModuleType) -> None:
    """Nothing is reported on a manager of an active swarm."""
    info = {"Swarm": {"LocalNodeState": "active", "ControlAvailable": True}}
    assert list(swarm.check_swarm(info)) == []


def test_ready_nodes_need_labels(swarm: ModuleType) -> None:
    """Missing labels, labels on nodes that are down and a second hub label are reported."""
    assert list(swarm.check_nodes([node(hub="true"), node(worker="true")])) == []
    hub, worker = swarm.check_nodes([node(), node("down", worker="true")])
    assert "classroom.hub=true" in hub
    assert "classroom.worker=true" in worker
    (both,) = swarm.check_nodes([node(hub="true"), node(hub="true", worker="true")])
    assert "More than one node" in both


def test_names_of_configs_and_secrets_depend_on_their_content(
    swarm: ModuleType, tmp_path: Path
) -> None:
    """The files named in stack.yaml are found, and a changed file gets a new digest."""
    files = swarm.files_of(tmp_path, (ROOT / "docker" / "stack.yaml").read_text())
    assert files["roster"] == tmp_path / "etc/roster.toml"
    assert files["proxy_token"] == tmp_path / "secrets/proxy_token"
    assert len(files) >= 16
    (tmp_path / "etc").mkdir()
    files["roster"].write_text("a")
    first = swarm.digests(files)
    assert list(first) == ["DIGEST_roster"]
    files["roster"].write_text("b")
    assert swarm.digests(files) != first


def test_added_courses_are_checked_and_deployed(
    swarm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their tokens get a digest too, in a variable whose name stack files can use."""
    monkeypatch.setattr(swarm, "HERE", tmp_path)
    (tmp_path / "courses").mkdir()
    course = tmp_path / "courses" / "cs-102.stack.yaml"
    template = (ROOT / "docker" / "course.stack.yaml").read_text()
    course.write_text(template.replace("__ID__", "cs-102").replace("__VAR__", "cs_102"))
    assert swarm.stack_files() == [tmp_path / "stack.yaml", course]
    files = swarm.files_of(tmp_path, course.read_text())
    assert files == {"grading_token_cs-102": tmp_path / "secrets/grading_token_cs-102"}
    (missing,) = swarm.check_files(files, {})
    assert missing == "secrets/grading_token_cs-102 is missing: run docker/setup"
    (tmp_path / "secrets").mkdir()
    files["grading_token_cs-102"].write_text("x" * 32)
    (variable,) = swarm.digests(files)
    assert f"${{{variable}:-0}}" in course.read_text()


def test_short_and_missing_secrets_are_rejected_unless_unused(
    swarm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets of an authenticator that is not selected are not checked."""
    monkeypatch.setattr(swarm, "HERE", tmp_path)
    (tmp_path / "secrets").mkdir()
    texts = {"proxy_token": "x" * 31, "client_id": "", "cull_token": "x" * 32}
    files = {name: tmp_path / "secrets" / name for name in (*texts, "stats_token")}
    for name, text in texts.items():
        files[name].write_text(text + "\n")
    found = list(swarm.check_files(files, {"AUTHENTICATOR": "shared-password"}))
    assert found == [
        "secrets/proxy_token is too short: it has 31 characters and needs at least 32; delete it"
        " and run docker/setup",
        "secrets/stats_token is missing: run docker/setup",
    ]
    google = list(swarm.check_files(files, {"AUTHENTICATOR": "google"}))
    assert any(
        line.startswith("secrets/client_id is too short: it has 0 characters") for line in google
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"FILES_TYPE": "none", "ENDPOINT_MODE": "dns"}, "use dnsrr or vip"),
        ({"FILES_OPTIONS": "hard"}, "set FILES_OPTIONS=addr=192.0.2.20"),
        ({"FILES_OPTIONS": "addr=127.0.0.1,hard"}, "does not respond on port 2049"),
    ],
)
def test_invalid_settings_are_reported(
    swarm: ModuleType, settings: dict[str, str], expected: str
) -> None:
    """The message names the value to use."""
    (line,) = swarm.check_settings(settings)
    assert expected in line


def run_check(tmp_path: Path, docker: str | None, **settings: str) -> list[str]:
    """Return the problems reported with ``docker`` as a shell script; None: no docker command."""
    programs = tmp_path / "bin"
    programs.mkdir()
    if docker is not None:
        (programs / "docker").write_text(f"#!/bin/sh\n{docker}\n")
        (programs / "docker").chmod(0o755)
    done = subprocess.run(
        [sys.executable, str(ROOT / "docker" / "swarm"), "check"],
        env={"PATH": f"{programs}", "FILES_TYPE": "none", **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return str(done.stderr).splitlines()


def test_missing_docker_is_reported(tmp_path: Path) -> None:
    """It is the only problem reported, because the other checks need Docker."""
    assert run_check(tmp_path, None) == ["Docker is not installed: apt-get install docker.io"]


def test_an_unresponsive_engine_is_reported(tmp_path: Path) -> None:
    """The message names the two usual causes."""
    (line,) = run_check(tmp_path, "exit 1")
    assert line.startswith("The Docker engine does not respond: run systemctl start docker")
    assert line.endswith("check that you are root or in the docker group")


#: The docker command of a manager that has all labels and no services yet.
MANAGER = """case "$1 $2" in
  info*) echo '{"Swarm": {"LocalNodeState": "active", "ControlAvailable": true}}' ;;
  "node ls") echo one ;;
  "node inspect") echo '[{"Status": {"State": "ready"}, "Spec": {"Availability": "active",
    "Labels": {"classroom.hub": "true", "classroom.worker": "true"}}}]' ;;
esac"""


def test_a_port_in_use_is_reported(tmp_path: Path) -> None:
    """The message says how to find the program and which setting changes the port."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        port = listener.getsockname()[1]
        lines = run_check(tmp_path, MANAGER, PORT=str(port))
    assert lines[0] == (
        f"Port {port} is in use: find the program with ss -ltnp 'sport = :{port}', or set"
        " another PORT"
    )


def test_an_invalid_port_is_reported(tmp_path: Path) -> None:
    """The message suggests a valid value."""
    lines = run_check(tmp_path, MANAGER, PORT="http")
    assert lines[0] == "PORT=http is not a valid port: use a number such as PORT=8080"


def test_env_files_are_parsed_as_in_compose(swarm: ModuleType, tmp_path: Path) -> None:
    """Comments, empty lines, ``export`` and quotes are handled."""
    path = tmp_path / ".env"
    path.write_text("# a comment\nA=1\n\nexport B='two words'\nC=\"x=y\"\n")
    assert swarm.read_settings(path) == {"A": "1", "B": "two words", "C": "x=y"}
    assert swarm.read_settings(tmp_path / "none") == {}
