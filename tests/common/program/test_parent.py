"""A managed service ends with the Hub that started it, even if the Hub was killed."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.program import parent
from tests.common.config.conftest import hub_environment

HUB = """
import subprocess, sys, time
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True) as service:
    print(service.stdout.readline().strip(), service.pid, flush=True)
    time.sleep(600)
"""


def start(
    tmp_path: Path, program: list[str], **environment: str
) -> tuple[subprocess.Popen[str], int]:
    """A process in the role of the Hub, and the process id of the service that it has started."""
    path = tmp_path / "hub.py"
    path.write_text(HUB)
    hub = subprocess.Popen(
        [sys.executable, str(path), *program],
        env=hub_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert hub.stdout is not None
    said, pid = hub.stdout.readline().split()
    assert said == "ready"
    return hub, int(pid)


def ended(pid: int, seconds: float) -> bool:
    """Whether a process that is not our child ends within this time."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


MANAGED = {"JUPYTERHUB_SERVICE_NAME": "made", "JUPYTERHUB_SERVER_NAME": ""}


def test_ends_with_a_killed_hub(tmp_path: Path, program: list[str]) -> None:
    """Nobody could see or change the settings of a service that outlived its Hub."""
    hub, pid = start(tmp_path, program, **MANAGED)
    hub.kill()
    hub.communicate()
    assert ended(pid, 10)


def test_a_service_of_its_own_outlives_who_started_it(tmp_path: Path, program: list[str]) -> None:
    """A shell may start a service and end; its name alone does not make it a managed one."""
    hub, pid = start(tmp_path, program, JUPYTERHUB_SERVICE_NAME="made")
    hub.kill()
    hub.communicate()
    try:
        assert not ended(pid, 0.5)
    finally:
        os.kill(pid, signal.SIGTERM)
        assert ended(pid, 10)


async def test_a_parent_that_has_ended_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process id may belong to another process by now, so only the real parent counts."""
    await parent.ended(os.getpid())


def test_only_the_hub_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's variables for servers and services identify it as the parent."""
    assert parent.hub_process() is None
    for name, value in MANAGED.items():
        monkeypatch.setenv(name, value)
    assert parent.hub_process() == os.getppid()
