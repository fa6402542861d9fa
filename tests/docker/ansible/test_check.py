"""The checks before playbooks change a machine, and the program that waits for a deployment.

These tests need no Docker engine.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deployment.test_setup import Folder, free_port
from tests.docker.ansible.inventory import encrypt, write_inventory
from tests.docker.engine import CommandError, run
from tests.docker.machines import ANSIBLE, needs_ansible, play

MACHINES = {"hub1": "203.0.113.10", "files1": "203.0.113.11", "worker1": "203.0.113.12"}
GROUPS = {"hub": ["hub1"], "nfs": ["files1"], "workers": ["worker1"]}
ENVIRONMENT = {"PUBLIC_URL": "https://hub.uni.example", "AUTHENTICATOR": "google"}


COURSE = "[[course]]\ntoken_file = '/run/secrets/"


def _module(path: Path, name: str) -> ModuleType:
    """Load a script as a module."""
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def problems() -> Callable[[Any], list[str]]:
    """The filter that check.yml uses."""
    module = _module(ANSIBLE / "filter_plugins" / "classroom.py", "ansible_classroom")
    check: Callable[[Any], list[str]] = module.FilterModule().filters()["setting_problems"]
    return check


def _settings(**changed: Any) -> dict[str, Any]:
    """Return valid settings with changes; dictionaries are merged."""
    names = ("proxy_token", "cull_token", "client_id", "client_secret", "user_password")
    settings: dict[str, Any] = {
        "secrets": {name: f"{number}0123456789abcdef" * 2 for number, name in enumerate(names)},
        "vault": "$ANSIBLE_VAULT;1.1;AES256",
        "environment": ENVIRONMENT,
        "registry": "registry.uni.example/",
        "groups": {"all": list(MACHINES), **GROUPS},
        "machines": MACHINES,
        "texts": {"roster.toml": 'admins = ["a"]', "courses.toml": ""},
        "courses": ["course101"],
    }
    for key, value in changed.items():
        settings[key] = {**settings[key], **value} if isinstance(value, dict) else value
    return settings


def test_valid_settings_have_no_problems(problems: Callable[[Any], list[str]]) -> None:
    """This includes a single machine, and empty secrets of an unused authenticator."""
    assert problems(_settings()) == []
    one = {"groups": {name: ["hub1"] for name in GROUPS}, "registry": ""}
    assert problems(_settings(**one, secrets={"user_password": ""})) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"secrets": {"cull_token": "CHANGE-ME"}}, "cull_token: still set to CHANGE-ME; generate"),
        (
            {"secrets": {"proxy_token": "ab12cd34"}},
            "proxy_token: too short (8 characters, minimum 32)",
        ),
        ({"secrets": {"proxy_token": "12" * 20}}, "proxy_token: weak (only 2 distinct characters)"),
        ({"secrets": {"client_id": ""}}, "client_id: too short (0 characters, minimum 1)"),
        (
            {"secrets": {"proxy_token": "0123456789abcdef" * 2, "x": "0123456789abcdef" * 2}},
            "proxy_token, x: identical secrets",
        ),
        (
            {
                "environment": {"AUTHENTICATOR": "shared-password"},
                "secrets": {"user_password": "abc"},
            },
            "user_password: too short (3 characters, minimum 8)",
        ),
        ({"vault": '{"vault_cull_token": "x"}'}, "vault.yml is not encrypted: ansible-vault encr"),
        ({"groups": {"hub": []}}, "group hub: needs exactly one machine, has 0"),
        ({"groups": {"nfs": ["files1", "hub1"]}}, "group nfs: needs exactly one machine, has 2"),
        ({"groups": {"workers": []}}, "group workers: needs at least one machine"),
        ({"machines": {"hub1.example.org": "203.0.113.9"}}, "hub1.example.org: still the example"),
        ({"machines": {"hub1": ""}}, "hub1: cluster_address=(empty) is not an IPv4 address"),
        (
            {"machines": {"hub1": "hub1.uni.example"}},
            "hub1: cluster_address=hub1.uni.example is not an IPv4 address",
        ),
        ({"machines": {"hub1": "203.0.113.12"}}, "hub1, worker1: identical cluster_address"),
        ({"environment": {"PUBLIC_URL": "https://hub.example.org"}}, "PUBLIC_URL=https://hub.exam"),
        ({"environment": {"PUBLIC_URL": "hub.uni.example"}}, "PUBLIC_URL=hub.uni.example: set it"),
        (
            {"environment": {"PUBLIC_URL": "http://hub.uni.example"}},
            "PUBLIC_URL=http://hub.uni.example: Google redirects users only to https",
        ),
        ({"environment": {"SUBDOMAINS": True}}, 'SUBDOMAINS: use "yes" or "no" in classroom_env'),
        ({"registry": "registry.example.org/x/"}, "classroom_registry=registry.example.org/x/: st"),
        ({"registry": "reg.uni.example"}, "add a slash at the end: reg.uni.example/"),
        ({"texts": {"roster.toml": None}}, "etc/roster.toml is missing: run cp -r"),
        ({"texts": {"roster.toml": "admins = ["}}, "etc/roster.toml: Invalid value (at"),
        (
            {"courses": ["course101", "CS_102"]},
            "CS_102 is not a valid course ID; use 2 to 40 lower",
        ),
        (
            {"courses": ["course101", "course131", "course159"]},
            "course131 and course159 have the same account",
        ),
        (
            {"texts": {"courses.toml": 2 * f"{COURSE}grading_token_course101'\n"}},
            "several courses have the token_file /run/secrets/grading_token_course101; add",
        ),
        (
            {"texts": {"courses.toml": f"{COURSE}grading_token_course102'"}},
            "grading_token_course102 does not exist; add course102 to vault_grading_tokens",
        ),
    ],
    ids=lambda value: value.split(":")[0][:30] if isinstance(value, str) else "",
)
def test_each_problem_is_reported_in_one_line(
    problems: Callable[[Any], list[str]], changed: Any, expected: str
) -> None:
    """The line names the setting and never contains a secret."""
    settings = _settings(**changed)
    (line,) = problems(settings)
    assert expected in line
    shown = {each for each in settings["secrets"].values() if len(each) > 2 and each in line}
    assert shown <= {"CHANGE-ME"}


def test_a_course_gets_the_file_that_setup_writes(tmp_path: Path) -> None:
    """The Ansible role and docker/setup --add-course agree, also on the uid."""
    folder = Folder(tmp_path)
    folder.setup("--defaults", PORT=free_port())
    folder.setup("--add-course", "course-102")
    module = _module(ANSIBLE / "filter_plugins" / "classroom.py", "ansible_classroom")
    template = (ANSIBLE.parent / "course.stack.yaml").read_text("utf-8")
    written = (folder.path / "courses/course-102.stack.yaml").read_text("utf-8")
    assert module.course_stack(template, "course-102") == written


#: Each course has its own token, and the former one is that of course101.
SECRETS = (
    "stack_secrets.grading_token_course101 == 'former'",
    "stack_secrets['grading_token_course-102'] == 'second'",
)


def test_the_role_writes_a_file_for_each_course(tmp_path: Path) -> None:
    """Files of courses that are no longer listed are removed, and a second run changes nothing."""
    programs = needs_ansible()
    role = ANSIBLE / "roles" / "stack"
    directory = tmp_path / "stack"
    (directory / "courses").mkdir(parents=True)
    (directory / "courses" / "former.stack.yaml").touch()
    names = ("stack_courses", "stack_grading_tokens", "stack_secrets")
    variables = yaml.safe_load((role / "defaults" / "main.yml").read_text("utf-8"))
    play: dict[str, Any] = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {name: variables[name] for name in names}
        | {"stack_directory": str(directory), "stack_source": str(ANSIBLE.parent)}
        | {"classroom_secrets": {"grading_token": "former"}}
        | {"classroom_grading_tokens": {"course-102": "second", "course103": "third"}},
        "tasks": [
            task
            for task in yaml.safe_load((role / "tasks" / "main.yml").read_text("utf-8"))
            if "courses" in str(task) and "stack file" in task["name"]
        ]
        + [{"ansible.builtin.assert": {"that": each}} for each in SECRETS],
    }
    for task in play["tasks"]:
        task.get("ansible.builtin.copy", {}).pop("owner", None)
        task.get("ansible.builtin.copy", {}).pop("group", None)
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([play]))
    words = [str(programs / "ansible-playbook"), "--inventory=localhost,", "--connection=local"]
    words += [f"--extra-vars=ansible_python_interpreter={sys.executable}", str(playbook)]
    plugins = {"ANSIBLE_FILTER_PLUGINS": str(ANSIBLE / "filter_plugins")}
    first, second = (run(words, env={**os.environ, **plugins}) for _ in range(2))
    assert "changed=2" in first
    assert "changed=0" in second
    written = {path.name for path in (directory / "courses").iterdir()}
    assert written == {"course-102.stack.yaml", "course103.stack.yaml"}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A valid inventory of machines that do not exist."""
    needs_ansible()
    settings = {"classroom_environment": ENVIRONMENT, "classroom_registry": ""}
    directory = tmp_path / "inventory"
    write_inventory(directory, GROUPS, MACHINES, settings)
    return directory


def _play(inventory: Path, playbook: str, *words: str) -> str:
    """Run a playbook and return its output. :raises CommandError: it failed"""
    password = inventory.parent / "password"
    password.write_text("of these tests")
    vault = inventory / "group_vars" / "all" / "vault.yml"
    if vault.exists() and not vault.read_text("utf-8").startswith("$ANSIBLE_VAULT"):
        encrypt(inventory, password)
    words = (f"--vault-password-file={password}", *words)
    return play(playbook, inventory / "hosts.yml", *words)


def test_a_valid_inventory_passes(inventory: Path) -> None:
    """The check does not connect to the machines, which do not exist."""
    output = _play(inventory, "check.yml")
    assert "failed=1" not in output
    assert "unreachable=1" not in output


@pytest.mark.parametrize("playbook", ["site.yml", "upgrade.yml", "rollback.yml"])
def test_weak_secrets_are_rejected(inventory: Path, playbook: str) -> None:
    """All are reported at once, before any connection is made, and without their values."""
    vault = inventory / "group_vars" / "all" / "vault.yml"
    valid = json.loads(vault.read_text("utf-8"))
    weak = {"vault_backup_password": "CHANGE-ME", "vault_stats_token": "hunter2hunter2"}
    vault.write_text(json.dumps({**valid, **weak}))
    with pytest.raises(CommandError) as caught:
        # The check runs with every tag.
        _play(inventory, playbook, "--tags=stack")
    output = " ".join(str(caught.value).split())
    assert "backup_password: still set to CHANGE-ME" in output
    assert "stats_token: too short (14 characters, minimum 32)" in output
    assert "openssl rand -hex 32" in output
    assert "UNREACHABLE" not in output
    assert "Traceback" not in output
    tokens = valid.pop("vault_grading_tokens")
    for secret in ("hunter2", *valid.values(), *tokens.values()):
        assert secret not in output


def test_a_missing_vault_is_reported(inventory: Path) -> None:
    """The message has the commands that create one."""
    (inventory / "group_vars" / "all" / "vault.yml").unlink()
    with pytest.raises(CommandError, match=r"cp vault\.yml\.example vault\.yml"):
        _play(inventory, "check.yml")


def test_the_unchanged_example_is_rejected(inventory: Path) -> None:
    """All settings to change are reported."""
    group_vars = inventory / "group_vars" / "all"
    (group_vars / "tests.yml").unlink()
    (group_vars / "vault.yml").write_text((group_vars / "vault.yml.example").read_text("utf-8"))
    hosts = (ANSIBLE / "inventory.example" / "hosts.yml").read_text("utf-8")
    (inventory / "hosts.yml").write_text(hosts)
    with pytest.raises(CommandError) as caught:
        _play(inventory, "check.yml")
    output = " ".join(str(caught.value).split())
    for each in ("CHANGE-ME", "list your machines", "PUBLIC_URL=", "classroom_registry="):
        assert each in output


@pytest.fixture(scope="module")
def wait_for_stack() -> ModuleType:
    """The program that waits on the hub for a deployment."""
    return _module(ANSIBLE / "roles" / "stack" / "files" / "wait-for-stack", "wait_for_stack")


def _service(version: str = "2", replicas: int = 1, update: str | None = None) -> dict[str, Any]:
    """Return a service in the format of the Engine API."""
    spec = {
        "Name": "classroom_hub",
        "Mode": {"Replicated": {"Replicas": replicas}},
        "TaskTemplate": {"ContainerSpec": {"Image": f"hub:{version}"}},
    }
    return {"ID": "s", "Spec": spec, **({"UpdateStatus": {"State": update}} if update else {})}


def _task(version: str = "2", state: str = "running", error: str = "") -> dict[str, Any]:
    """Return a task in the format of the Engine API."""
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
        # Swarm has not started the update: the old task still runs.
        (_service(), [_task("1")], "WAITS"),
        (_service(), [_task(state="starting")], "WAITS"),
        (_service(), [], "WAITS"),
        # The new task runs, but Swarm still monitors it.
        (_service(update="updating"), [_task()], "WAITS"),
        (_service("1", update="rollback_started"), [_task("1")], "WAITS"),
        # The old task matches the restored specification, but the update failed.
        (_service("1", update="rollback_completed"), [_task("1")], "ROLLED_BACK"),
        (_service(update="paused"), [_task()], "ROLLED_BACK"),
    ],
)
def test_a_deployment_has_succeeded_when_the_new_tasks_run(
    wait_for_stack: ModuleType, service: Any, tasks: Any, expected: str
) -> None:
    """Old tasks that still run do not count."""
    assert wait_for_stack.outcome(service, tasks).name == expected


def test_a_failed_deployment_is_described_with_its_reason(wait_for_stack: ModuleType) -> None:
    """The line has the service, its outcome and the last error of its tasks."""
    tasks = [_task("1"), _task("2", "failed", "task: non-zero exit (1)")]
    service = _service("1", update="rollback_completed")
    line = wait_for_stack.describe(service, tasks)
    assert line == "classroom_hub was rolled back: task: non-zero exit (1)"
    assert wait_for_stack.describe(_service(), [_task("1")]) == "classroom_hub is not running yet"
