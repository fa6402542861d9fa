"""What is asked of the swarm for a student's server, and what its answers are taken for."""

from collections.abc import Mapping
from typing import Any

import pytest
from traitlets.config import Config

from classroom_hub.swarm.settings import configure_swarm
from classroom_hub.swarm.spec import (
    LONGEST_NAME,
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


def task(state: str, wanted: str = "running", made: str = "2026-01-01", **status: str) -> Any:
    """A task as the Engine describes it."""
    return {"DesiredState": wanted, "CreatedAt": made, "Status": {"State": state, **status}}


def test_a_home_is_a_volume_with_the_servers_options() -> None:
    """The machine mounts the student's own folder, and copies nothing of the image into it."""
    mount = NFS.mount("home", "homes/ada", "/home/ada")
    assert mount["Target"] == "/home/ada"
    assert mount["VolumeOptions"]["NoCopy"] is True
    assert mount["VolumeOptions"]["DriverConfig"]["Options"] == {
        "type": "nfs",
        "o": "addr=192.0.2.20,nfsvers=4.2,hard",
        "device": ":/srv/classroom/homes/ada",
    }


def test_with_another_server_there_are_other_volumes() -> None:
    """A volume keeps its options for good: the old name would lead to the old server."""
    moved = Files("nfs", "addr=192.0.2.21,nfsvers=4.2,hard", ":/srv/classroom")
    names = {files.mount("home", "homes/ada", "/x")["Source"] for files in (NFS, NFS, moved)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("nfs", "addr=192.0.2.20", "/srv/classroom"), "write : and the path"),
        (("nfs", "nfsvers=4.2,hard", ":/srv"), "begin with addr=192.0.2.20"),
        (("nfs", "addr=", ":/srv"), "the NFS server is missing"),
        (("none", "bind", "srv"), "write a path"),
    ],
)
def test_files_that_cannot_be_are_refused(files: tuple[str, str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Files(*files)


def test_all_wrong_settings_are_told_together() -> None:
    with pytest.raises(ConfigError) as refused:
        configure_swarm(Config(), {"ENDPOINT_MODE": "VIP"}, lambda name: 1)
    said = "\n".join(refused.value.problems)
    for name in ("FILES_OPTIONS", "ENDPOINT_MODE=VIP", "STUDENTS_NETWORK"):
        assert name in said


def test_names_fit_into_a_host_name_and_stay_apart() -> None:
    long = "a" * 80
    assert service_name("classroom", "ada") == "classroom-ada"
    assert service_name("classroom", "ada", "gpu") == "classroom-ada--gpu"
    names = {service_name("classroom", user) for user in (long, long + "b", long[:-1])}
    assert len(names) == 3
    assert max(map(len, names)) <= LONGEST_NAME


def test_a_server_has_no_power_and_its_limits() -> None:
    command = ["jupyterhub-singleuser"]
    container = container_spec("image", command, {"A": 1, "B": None}, [], ["CHOWN"])
    limits = Limits(memory=2**30, memory_guarantee=2**29, cpus=0.5)
    made = task_template(container, limits, "students", ["node.labels.x == true"])
    assert made["ContainerSpec"]["Env"] == ["A=1"]
    assert made["ContainerSpec"]["CapabilityDrop"] == ["ALL"]
    assert made["ContainerSpec"]["CapabilityAdd"] == ["CAP_CHOWN"]
    assert made["ContainerSpec"]["Healthcheck"] == {"Test": ["NONE"]}
    assert made["ContainerSpec"]["Sysctls"] == {"net.ipv4.ip_unprivileged_port_start": "1024"}
    assert made["Resources"] == {
        "Limits": {"MemoryBytes": 2**30, "NanoCPUs": 500_000_000, "Pids": 1000},
        "Reservations": {"MemoryBytes": 2**29},
    }
    assert made["Placement"] == {"Constraints": ["node.labels.x == true"]}


def test_while_a_server_moves_the_task_that_is_meant_counts() -> None:
    """The lost machine's task says that it runs, for nobody can tell it otherwise."""
    lost = task("running", wanted="shutdown", made="2026-01-01")
    new = task("preparing", made="2026-01-02")
    for tasks in ([lost, new], [new, lost]):
        assert current_task(tasks) is new
    assert current_task([]) is None


@pytest.mark.parametrize("state", ["new", "pending", "assigned", "ready", "starting", "running"])
def test_a_server_that_swarm_is_about_to_run_is_alive(state: str) -> None:
    assert is_alive(task(state))
    assert is_alive(task(state, wanted="ready"))
    assert not is_alive(task(state, wanted="shutdown"))


@pytest.mark.parametrize("state", ["complete", "failed", "rejected", "shutdown", "orphaned"])
def test_a_server_that_ended_is_not(state: str) -> None:
    assert not is_alive(task(state))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"Err": "no suitable node (insufficient resources on 2 nodes)"}, "add a worker"),
        ({"Err": "failed to mount local volume: connection refused"}, "is the NFS server on?"),
        ({"Err": "No such image: classroom-singleuser:1"}, "push it to your registry"),
        ({"Err": "task: non-zero exit (137)"}, "more memory than it may"),
        ({"Message": "preparing"}, "It is rejected: preparing"),
        ({}, "It is rejected"),
    ],
)
def test_why_a_server_does_not_run_is_a_line(status: Mapping[str, str], said: str) -> None:
    told = reason(task("rejected", **status))
    assert said in told
    assert "\n" not in told
