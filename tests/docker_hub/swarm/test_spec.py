"""Service specifications for students' servers, and the meaning of task states."""

from collections.abc import Mapping
from typing import Any

import pytest
from traitlets.config import Config

from classroom_hub.swarm.settings import configure_swarm
from classroom_hub.swarm.spec import (
    MAX_NAME_LENGTH,
    Files,
    Limits,
    container_spec,
    current_task,
    is_alive,
    reason,
    service_name,
    task_template,
)
from common.errors import ConfigError

NFS = Files("nfs", "addr=192.0.2.20,nfsvers=4.2,hard", ":/srv/classroom")


def task(state: str, desired: str = "running", created: str = "2026-01-01", **status: str) -> Any:
    """Return a task in the format of the Engine API."""
    return {"DesiredState": desired, "CreatedAt": created, "Status": {"State": state, **status}}


def test_a_home_is_a_volume_with_the_nfs_options() -> None:
    """The machine mounts the student's own folder and copies no files from the image into it."""
    mount = NFS.mount("home", "homes/ada", "/home/ada")
    assert mount["Target"] == "/home/ada"
    assert mount["VolumeOptions"]["NoCopy"] is True
    assert mount["VolumeOptions"]["DriverConfig"]["Options"] == {
        "type": "nfs",
        "o": "addr=192.0.2.20,nfsvers=4.2,hard",
        "device": ":/srv/classroom/homes/ada",
    }


def test_another_nfs_server_gets_other_volumes() -> None:
    """A volume never changes its options, so the old name would use the old server."""
    moved = Files("nfs", "addr=192.0.2.21,nfsvers=4.2,hard", ":/srv/classroom")
    names = {files.mount("home", "homes/ada", "/x")["Source"] for files in (NFS, NFS, moved)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("nfs", "addr=192.0.2.20", "/srv/classroom"), "use : and the path"),
        (("nfs", "nfsvers=4.2,hard", ":/srv"), "add addr=192.0.2.20"),
        (("nfs", "addr=", ":/srv"), "the NFS server is missing"),
        (("none", "bind", "srv"), "use an absolute path"),
    ],
)
def test_invalid_mount_options_are_rejected(files: tuple[str, str, str], expected: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(ConfigError, match=expected):
        Files(*files)


def test_all_invalid_settings_are_reported_together() -> None:
    """Each message names its setting."""
    with pytest.raises(ConfigError) as caught:
        configure_swarm(Config(), {"ENDPOINT_MODE": "VIP"}, lambda name: 1)
    problems = "\n".join(caught.value.problems)
    for name in ("FILES_OPTIONS", "ENDPOINT_MODE=VIP", "STUDENTS_NETWORK"):
        assert name in problems


def test_service_names_are_valid_host_names_and_distinct() -> None:
    """Long names are shortened with a digest."""
    long = "a" * 80
    assert service_name("classroom", "ada") == "classroom-ada"
    assert service_name("classroom", "ada", "gpu") == "classroom-ada--gpu"
    names = {service_name("classroom", user) for user in (long, long + "b", long[:-1])}
    assert len(names) == 3
    assert max(map(len, names)) <= MAX_NAME_LENGTH


def test_a_server_has_its_limits_and_minimal_privileges() -> None:
    """All capabilities but those of the entry point are dropped."""
    command = ["jupyterhub-singleuser"]
    container = container_spec("image", command, {"A": 1, "B": None}, [], ["CHOWN"])
    limits = Limits(memory=2**30, memory_guarantee=2**29, cpus=0.5)
    template = task_template(container, limits, "students", ["node.labels.x == true"])
    assert template["ContainerSpec"]["Env"] == ["A=1"]
    assert template["ContainerSpec"]["CapabilityDrop"] == ["ALL"]
    assert template["ContainerSpec"]["CapabilityAdd"] == ["CAP_CHOWN"]
    assert template["ContainerSpec"]["Healthcheck"] == {"Test": ["NONE"]}
    assert template["ContainerSpec"]["Sysctls"] == {"net.ipv4.ip_unprivileged_port_start": "1024"}
    assert template["Resources"] == {
        "Limits": {"MemoryBytes": 2**30, "NanoCPUs": 500_000_000, "Pids": 1000},
        "Reservations": {"MemoryBytes": 2**29},
    }
    assert template["Placement"] == {"Constraints": ["node.labels.x == true"]}


def test_the_new_task_counts_while_a_server_moves() -> None:
    """The task on a lost machine still appears to be running."""
    lost = task("running", desired="shutdown", created="2026-01-01")
    new = task("preparing", created="2026-01-02")
    for tasks in ([lost, new], [new, lost]):
        assert current_task(tasks) is new
    assert current_task([]) is None


@pytest.mark.parametrize("state", ["new", "pending", "assigned", "ready", "starting", "running"])
def test_a_server_that_runs_or_will_run_is_alive(state: str) -> None:
    """A task that should shut down is not alive, whatever its state."""
    assert is_alive(task(state))
    assert is_alive(task(state, desired="ready"))
    assert not is_alive(task(state, desired="shutdown"))


@pytest.mark.parametrize("state", ["complete", "failed", "rejected", "shutdown", "orphaned"])
def test_a_server_that_has_ended_is_not_alive(state: str) -> None:
    """All final states count as ended."""
    assert not is_alive(task(state))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"Err": "no suitable node (insufficient resources on 2 nodes)"}, "add a worker"),
        (
            {"Err": "failed to mount local volume: connection refused"},
            "check that the NFS server is running",
        ),
        ({"Err": "No such image: classroom-singleuser:1"}, "push it to your registry"),
        ({"Err": "task: non-zero exit (137)"}, "exceeded its memory limit"),
        ({"Message": "preparing"}, "Task state: rejected: preparing"),
        ({}, "Task state: rejected"),
    ],
)
def test_the_reason_a_server_does_not_run_is_one_line(
    status: Mapping[str, str], expected: str
) -> None:
    """Common errors are explained with what to check."""
    text = reason(task("rejected", **status))
    assert expected in text
    assert "\n" not in text
