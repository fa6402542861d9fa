"""docker/swarm: what it says before it lets anything be deployed."""

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
    """The program, as a module."""
    path = ROOT / "docker" / "swarm"
    loader = SourceFileLoader("docker_swarm", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def node(state: str = "ready", **labels: str) -> Any:
    """A node as the Engine describes it."""
    spec = {"Availability": "active", "Labels": {f"classroom.{k}": v for k, v in labels.items()}}
    return {"Status": {"State": state}, "Spec": spec}


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"Swarm": {"LocalNodeState": "inactive"}}, "run docker swarm init --advertise-addr"),
        (
            {"Swarm": {"LocalNodeState": "active", "ControlAvailable": False}},
            "run this on a manager",
        ),
        ({}, "is in no swarm"),
    ],
)
def test_a_swarm_that_is_none_is_told(swarm: ModuleType, info: Any, said: str) -> None:
    (line,) = swarm.wrong_swarm(info)
    assert said in line


def test_a_manager_of_a_swarm_is_fine(swarm: ModuleType) -> None:
    info = {"Swarm": {"LocalNodeState": "active", "ControlAvailable": True}}
    assert list(swarm.wrong_swarm(info)) == []


def test_machines_need_labels_and_to_be_there(swarm: ModuleType) -> None:
    assert list(swarm.wrong_nodes([node(hub="true"), node(worker="true")])) == []
    hub, worker = swarm.wrong_nodes([node(), node("down", worker="true")])
    assert "classroom.hub=true" in hub
    assert "classroom.worker=true" in worker
    (both,) = swarm.wrong_nodes([node(hub="true"), node(hub="true", worker="true")])
    assert "More than one machine" in both


def test_the_files_of_the_stack_are_found_and_their_content_is_in_the_names(
    swarm: ModuleType, tmp_path: Path
) -> None:
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


def test_weak_and_missing_secrets_are_refused_but_those_nobody_looks_at(
    swarm: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarm, "HERE", tmp_path)
    (tmp_path / "secrets").mkdir()
    texts = {"proxy_token": "x" * 31, "client_id": "", "cull_token": "x" * 32}
    files = {name: tmp_path / "secrets" / name for name in (*texts, "stats_token")}
    for name, text in texts.items():
        files[name].write_text(text + "\n")
    said = list(swarm.wrong_files(files, {"AUTHENTICATOR": "shared-password"}))
    assert said == [
        "secrets/proxy_token has 31 characters, 32 are needed: remove it and run docker/setup",
        "secrets/stats_token is missing: docker/setup makes it",
    ]
    google = list(swarm.wrong_files(files, {"AUTHENTICATOR": "google"}))
    assert any(line.startswith("secrets/client_id has 0 characters") for line in google)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"FILES_TYPE": "none", "ENDPOINT_MODE": "dns"}, "write dnsrr or vip"),
        ({"FILES_OPTIONS": "hard"}, "write addr=192.0.2.20"),
        ({"FILES_OPTIONS": "addr=127.0.0.1,hard"}, "does not answer at port 2049"),
    ],
)
def test_settings_that_cannot_work_are_told(
    swarm: ModuleType, settings: dict[str, str], said: str
) -> None:
    (line,) = swarm.wrong_settings(settings)
    assert said in line


def says(tmp_path: Path, docker: str | None, **settings: str) -> list[str]:
    """What the program says, where docker is a script of this text, or is not there."""
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


def test_a_machine_without_docker_is_told(tmp_path: Path) -> None:
    """In one line: what else is missing does not matter yet."""
    assert says(tmp_path, None) == ["There is no docker command: apt-get install docker.io"]


def test_an_engine_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """With the two usual reasons."""
    (line,) = says(tmp_path, "exit 1")
    assert line.startswith("No Docker engine answers: systemctl start docker, and are you root")


#: What docker says on a manager that is labelled for all, and has no service yet.
MANAGER = """case "$1 $2" in
  info*) echo '{"Swarm": {"LocalNodeState": "active", "ControlAvailable": true}}' ;;
  "node ls") echo one ;;
  "node inspect") echo '[{"Status": {"State": "ready"}, "Spec": {"Availability": "active",
    "Labels": {"classroom.hub": "true", "classroom.worker": "true"}}}]' ;;
esac"""


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """With how to see by whom, and the setting that moves the hub."""
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        lines = says(tmp_path, MANAGER, PORT=str(port))
    assert lines[0] == (
        f"The port {port} is taken (ss -ltnp 'sport = :{port}'): write another as PORT"
    )


def test_a_port_that_is_none_is_told(tmp_path: Path) -> None:
    """Whatever else is missing."""
    lines = says(tmp_path, MANAGER, PORT="http")
    assert lines[0] == "PORT=http is no port: write a number, such as PORT=8080"


def test_settings_are_read_as_compose_reads_them(swarm: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# a comment\nA=1\n\nexport B='two words'\nC=\"x=y\"\n")
    assert swarm.read_settings(path) == {"A": "1", "B": "two words", "C": "x=y"}
    assert swarm.read_settings(tmp_path / "none") == {}
