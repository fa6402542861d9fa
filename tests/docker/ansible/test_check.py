"""What plays refuse before any machine is touched, and how it is told that a deployment is done.

No engine is needed.
"""

import importlib.util
import json
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.docker.ansible.inventory import encrypt, write_inventory
from tests.docker.engine import CommandError
from tests.docker.machines import ANSIBLE, needs_ansible, play

MACHINES = {"hub1": "203.0.113.10", "files1": "203.0.113.11", "worker1": "203.0.113.12"}
GROUPS = {"hub": ["hub1"], "nfs": ["files1"], "workers": ["worker1"]}
ENVIRONMENT = {"PUBLIC_URL": "https://hub.uni.example", "AUTHENTICATOR": "google"}


def _module(path: Path, name: str) -> ModuleType:
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def problems() -> Callable[[Any], list[str]]:
    """The filter that check.yml asks."""
    module = _module(ANSIBLE / "filter_plugins" / "classroom.py", "ansible_classroom")
    asked: Callable[[Any], list[str]] = module.FilterModule().filters()["setting_problems"]
    return asked


def _settings(**changed: Any) -> dict[str, Any]:
    """What is all right, but for what is changed; dictionaries are changed in part."""
    names = ("proxy_token", "cull_token", "client_id", "client_secret", "user_password")
    good: dict[str, Any] = {
        "secrets": {name: f"{number}0123456789abcdef" * 2 for number, name in enumerate(names)},
        "vault": "$ANSIBLE_VAULT;1.1;AES256",
        "environment": ENVIRONMENT,
        "registry": "registry.uni.example/",
        "groups": {"all": list(MACHINES), **GROUPS},
        "machines": MACHINES,
        "texts": {"roster.toml": 'admins = ["a"]', "courses.toml": ""},
    }
    for key, value in changed.items():
        good[key] = {**good[key], **value} if isinstance(value, dict) else value
    return good


def test_good_settings_have_no_problem(problems: Callable[[Any], list[str]]) -> None:
    """Nor has a small class with all on one machine, nor secrets for another way to sign in."""
    assert problems(_settings()) == []
    one = {"groups": {name: ["hub1"] for name in GROUPS}, "registry": ""}
    assert problems(_settings(**one, secrets={"user_password": ""})) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"secrets": {"cull_token": "CHANGE-ME"}}, "cull_token: still CHANGE-ME; make each with"),
        ({"secrets": {"proxy_token": "ab12cd34"}}, "proxy_token: 8 characters, 32 are needed"),
        ({"secrets": {"proxy_token": "12" * 20}}, "proxy_token: weak, a pattern of 2 different"),
        ({"secrets": {"client_id": ""}}, "client_id: 0 characters, 1 are needed"),
        (
            {"secrets": {"proxy_token": "0123456789abcdef" * 2, "x": "0123456789abcdef" * 2}},
            "proxy_token, x: the same secret more than once",
        ),
        (
            {
                "environment": {"AUTHENTICATOR": "shared-password"},
                "secrets": {"user_password": "abc"},
            },
            "user_password: 3 characters, 8 are needed",
        ),
        ({"vault": '{"vault_cull_token": "x"}'}, "vault.yml is not encrypted: ansible-vault encr"),
        ({"groups": {"hub": []}}, "group hub: one machine belongs there, not 0"),
        ({"groups": {"nfs": ["files1", "hub1"]}}, "group nfs: one machine belongs there, not 2"),
        ({"groups": {"workers": []}}, "group workers: at least one machine"),
        ({"machines": {"hub1.example.org": "203.0.113.9"}}, "hub1.example.org: still the example"),
        ({"machines": {"hub1": ""}}, "hub1: cluster_address=nothing is no IPv4 address"),
        (
            {"machines": {"hub1": "hub1.uni.example"}},
            "hub1: cluster_address=hub1.uni.example is no",
        ),
        ({"machines": {"hub1": "203.0.113.12"}}, "hub1, worker1: the same cluster_address"),
        ({"environment": {"PUBLIC_URL": "https://hub.example.org"}}, "PUBLIC_URL=https://hub.exam"),
        ({"environment": {"PUBLIC_URL": "hub.uni.example"}}, "PUBLIC_URL=hub.uni.example: write"),
        (
            {"environment": {"PUBLIC_URL": "http://hub.uni.example"}},
            "PUBLIC_URL=http://hub.uni.example: Google sends people back to https",
        ),
        ({"registry": "registry.example.org/x/"}, "classroom_registry=registry.example.org/x/: st"),
        ({"registry": "reg.uni.example"}, "write reg.uni.example/, with the slash"),
        ({"texts": {"roster.toml": None}}, "etc/roster.toml is missing: cp -r"),
        ({"texts": {"roster.toml": "admins = ["}}, "etc/roster.toml: Invalid value (at"),
    ],
    ids=lambda value: value.split(":")[0][:30] if isinstance(value, str) else "",
)
def test_each_problem_has_its_line(
    problems: Callable[[Any], list[str]], changed: Any, said: str
) -> None:
    """One, that names what is wrong and never a secret."""
    settings = _settings(**changed)
    (line,) = problems(settings)
    assert said in line
    told = {each for each in settings["secrets"].values() if len(each) > 2 and each in line}
    assert told <= {"CHANGE-ME"}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory that nothing is wrong with, of machines that are nowhere."""
    needs_ansible()
    settings = {"classroom_environment": ENVIRONMENT, "classroom_registry": ""}
    directory = tmp_path / "inventory"
    write_inventory(directory, GROUPS, MACHINES, settings)
    return directory


def _play(inventory: Path, playbook: str, *words: str) -> str:
    password = inventory.parent / "password"
    password.write_text("of these tests")
    vault = inventory / "group_vars" / "all" / "vault.yml"
    if vault.exists() and not vault.read_text("utf-8").startswith("$ANSIBLE_VAULT"):
        encrypt(inventory, password)
    words = (f"--vault-password-file={password}", *words)
    return play(playbook, inventory / "hosts.yml", *words)


def test_a_good_inventory_passes(inventory: Path) -> None:
    """Without a word to any of its machines, which are nowhere."""
    said = _play(inventory, "check.yml")
    assert "failed=1" not in said
    assert "unreachable=1" not in said


@pytest.mark.parametrize("playbook", ["site.yml", "upgrade.yml", "rollback.yml"])
def test_secrets_that_are_none_are_refused(inventory: Path, playbook: str) -> None:
    """All of them at once, before any machine is spoken to, and no secret is told."""
    vault = inventory / "group_vars" / "all" / "vault.yml"
    kept = json.loads(vault.read_text("utf-8"))
    weak = {"vault_backup_password": "CHANGE-ME", "vault_stats_token": "hunter2hunter2"}
    vault.write_text(json.dumps({**kept, **weak}))
    with pytest.raises(CommandError) as refused:
        # Some tags only: what must hold for all is looked at with each.
        _play(inventory, playbook, "--tags=stack")
    said = " ".join(str(refused.value).split())
    assert "backup_password: still CHANGE-ME" in said
    assert "stats_token: 14 characters, 32 are needed" in said
    assert "openssl rand -hex 32" in said
    assert "UNREACHABLE" not in said
    assert "Traceback" not in said
    for secret in ("hunter2", *kept.values()):
        assert secret not in said


def test_without_a_vault_it_is_said_how_to_make_one(inventory: Path) -> None:
    """The step that is forgotten most easily."""
    (inventory / "group_vars" / "all" / "vault.yml").unlink()
    with pytest.raises(CommandError, match=r"cp vault\.yml\.example vault\.yml"):
        _play(inventory, "check.yml")


def test_the_example_as_it_is_is_refused(inventory: Path) -> None:
    """Whoever copies it and changes nothing is told what to change."""
    group_vars = inventory / "group_vars" / "all"
    (group_vars / "tests.yml").unlink()
    (group_vars / "vault.yml").write_text((group_vars / "vault.yml.example").read_text("utf-8"))
    hosts = (ANSIBLE / "inventory.example" / "hosts.yml").read_text("utf-8")
    (inventory / "hosts.yml").write_text(hosts)
    with pytest.raises(CommandError) as refused:
        _play(inventory, "check.yml")
    said = " ".join(str(refused.value).split())
    for each in ("CHANGE-ME", "write your machines", "PUBLIC_URL=", "classroom_registry="):
        assert each in said


@pytest.fixture(scope="module")
def settled() -> ModuleType:
    """The program that waits on the hub until a deployment is done."""
    return _module(ANSIBLE / "roles" / "stack" / "files" / "settled", "classroom_settled")


def _service(version: str = "2", replicas: int = 1, update: str | None = None) -> dict[str, Any]:
    """As the Engine describes it."""
    spec = {
        "Name": "classroom_hub",
        "Mode": {"Replicated": {"Replicas": replicas}},
        "TaskTemplate": {"ContainerSpec": {"Image": f"hub:{version}"}},
    }
    return {"ID": "s", "Spec": spec, **({"UpdateStatus": {"State": update}} if update else {})}


def _task(version: str = "2", state: str = "running", error: str = "") -> dict[str, Any]:
    return {
        "ServiceID": "s",
        "Spec": {"ContainerSpec": {"Image": f"hub:{version}"}},
        "DesiredState": "running" if state in ("running", "starting") else "shutdown",
        "Status": {"State": state, "Timestamp": "2026-01-01T00:00:00Z", "Err": error},
    }


@pytest.mark.parametrize(
    ("service", "tasks", "expected"),
    [
        (_service(), [_task()], "RUNS"),
        (_service(update="completed"), [_task(), _task("1", "shutdown")], "RUNS"),
        (_service(replicas=0), [_task(state="complete")], "RUNS"),
        (_service(replicas=0), [_task()], "WAITS"),
        # Swarm has not begun yet: the old one still runs and serves.
        (_service(), [_task("1")], "WAITS"),
        (_service(), [_task(state="starting")], "WAITS"),
        (_service(), [], "WAITS"),
        # It runs, and is still being watched.
        (_service(update="updating"), [_task()], "WAITS"),
        (_service("1", update="rollback_started"), [_task("1")], "WAITS"),
        # The old one runs as is meant again, and that is no success.
        (_service("1", update="rollback_completed"), [_task("1")], "TAKEN_BACK"),
        (_service(update="paused"), [_task()], "TAKEN_BACK"),
    ],
)
def test_a_deployment_is_done_when_what_was_deployed_runs(
    settled: ModuleType, service: Any, tasks: Any, expected: str
) -> None:
    """And not while the old one does, which serves just as well."""
    assert settled.outcome(service, tasks).name == expected


def test_what_does_not_come_up_is_told_with_its_reason(settled: ModuleType) -> None:
    """The service, how it stands, and what was last wrong with one of its tasks."""
    tasks = [_task("1"), _task("2", "failed", "task: non-zero exit (1)")]
    service = _service("1", update="rollback_completed")
    said = settled.describe(service, tasks)
    assert said == "classroom_hub was taken back: task: non-zero exit (1)"
    assert settled.describe(_service(), [_task("1")]) == "classroom_hub is not up yet"
