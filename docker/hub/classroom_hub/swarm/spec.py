"""What is asked of Docker Swarm for a student's server, and what its answers mean. Pure.

The words are the Engine API's (version 1.41, of Docker 20.10, and newer):
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Service
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import ConfigError

SECOND = 1_000_000_000  # the Engine counts nanoseconds
#: A service's name is its host name, too: the longest label of the domain name system.
LONGEST_NAME = 63
#: States of a task that ends in no other than these, except by an end.
ALIVE = frozenset(
    ("new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running")
)
ENDPOINT_MODES = ("dnsrr", "vip")


@dataclass(frozen=True)
class Files:
    """The folder that all machines share, as options of Docker's local volume driver.

    For NFS: type "nfs", options "addr=192.0.2.20,nfsvers=4.2,hard", device ":/srv/classroom".
    For one that is mounted on every machine anyhow: "none", "bind", "/srv/classroom".
    """

    type: str
    options: str
    device: str

    def __post_init__(self) -> None:
        """:raises ConfigError: with all that is wrong"""
        problems = []
        if self.type == "nfs":
            if not self.device.startswith(":/"):
                problems.append(
                    f"FILES_DEVICE={self.device}: for NFS write : and the path on the server, "
                    "such as :/srv/classroom"
                )
            address = [each for each in self.options.split(",") if each.startswith("addr=")]
            if address in ([], ["addr="]):
                problems.append(
                    f"FILES_OPTIONS={self.options}: the NFS server is missing; begin with "
                    "addr=192.0.2.20, with your server's address"
                )
        elif not self.device.startswith("/"):
            problems.append(f"FILES_DEVICE={self.device}: write a path, such as /srv/classroom")
        if problems:
            raise ConfigError(problems)

    def mount(self, kind: str, inside: str, target: str, *, read_only: bool = False) -> Any:
        """Mount ``inside`` of the folder as a volume, which each machine makes on first use.

        A volume keeps the options that it was made with, so its name has a digest of them: with
        another server there are other volumes, and none leads to the old one.
        """
        device = f"{self.device.rstrip('/')}/{inside}"
        options = {"type": self.type, "o": self.options, "device": device}
        digest = hashlib.sha256(repr(sorted(options.items())).encode()).hexdigest()[:16]
        return {
            "Type": "volume",
            "Source": f"classroom-{kind}-{digest}",
            "Target": target,
            "ReadOnly": read_only,
            "VolumeOptions": {
                # Else Docker copies what the image has there, and owns it as root may not.
                "NoCopy": True,
                "Labels": {"classroom.files": inside},
                "DriverConfig": {"Name": "local", "Options": options},
            },
        }


@dataclass(frozen=True)
class Limits:
    """What a server may use, and what is set aside for it when a machine is chosen for it.

    Memory in bytes, CPUs as a number of cores; None is no limit.
    """

    memory: int | None = None
    memory_guarantee: int | None = None
    cpus: float | None = None
    cpus_guarantee: float | None = None
    processes: int = 1000

    def spec(self) -> dict[str, dict[str, int]]:
        """As the Engine wants it."""
        limits = {"MemoryBytes": self.memory, "NanoCPUs": _nano(self.cpus), "Pids": self.processes}
        aside = {
            "MemoryBytes": self.memory_guarantee,
            "NanoCPUs": _nano(self.cpus_guarantee),
        }
        return {
            "Limits": {key: value for key, value in limits.items() if value},
            "Reservations": {key: value for key, value in aside.items() if value},
        }


def _nano(cpus: float | None) -> int | None:
    return None if cpus is None else int(cpus * SECOND)


def service_name(prefix: str, user: str, server: str = "") -> str:
    """The service of a user's server, from names that are escaped (a-z, 0-9 and dashes)."""
    name = "-".join((prefix, user, *(["", server] if server else [])))
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name[: LONGEST_NAME - 11].rstrip('-')}-{digest}"


def container_spec(
    image: str,
    command: Sequence[str],
    environment: Mapping[str, object],
    mounts: Sequence[Any],
    capabilities: Sequence[str],
) -> dict[str, Any]:
    """The container of a student's server; the capabilities are its entry point's alone."""
    return {
        "Image": image,
        "Args": list(command),
        "Env": [f"{key}={value}" for key, value in environment.items() if value is not None],
        "Mounts": list(mounts),
        "Init": True,
        "StopGracePeriod": 10 * SECOND,
        # The hub sees by itself when a server answers. Swarm would call it starting until the first
        # check, after its whole interval, and end one that is too busy to answer, kernels and all.
        "Healthcheck": {"Test": ["NONE"]},
        "CapabilityDrop": ["ALL"],
        "CapabilityAdd": [f"CAP_{each}" for each in capabilities],
        # As on any machine, so that nobody in a container speaks to an NFS server as root does.
        "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "1024"},
        "Privileges": {
            "NoNewPrivileges": True
        },  # Docker 25 and newer; the entry point sets it, too
    }


def task_template(
    container: Mapping[str, Any], limits: Limits, network: str, constraints: Sequence[str]
) -> dict[str, Any]:
    """One student's server: where it may run, and that it is started again elsewhere.

    A server that its user shut down (exit code 0) stays down. One whose machine was lost, or that
    was killed for its memory, is started again, but not for ever.
    """
    return {
        "ContainerSpec": dict(container),
        "Resources": limits.spec(),
        "Networks": [{"Target": network}],
        "Placement": {"Constraints": list(constraints)},
        "RestartPolicy": {
            "Condition": "on-failure",
            "Delay": SECOND,
            "MaxAttempts": 5,
            "Window": 120 * SECOND,
        },
    }


def current_task(tasks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The task that stands for a service: what is meant to run, else the newest.

    While a task moves from a lost machine there are several; the old one is told to shut down.
    """
    if not tasks:
        return None
    meant = [task for task in tasks if task.get("DesiredState") in ("running", "ready")]
    return max(meant or tasks, key=lambda task: str(task.get("CreatedAt", "")))


def is_alive(task: Mapping[str, Any]) -> bool:
    """Whether a task runs or will, without anybody's doing."""
    wanted = task.get("DesiredState") in ("running", "ready")
    return wanted and str(task["Status"]["State"]).lower() in ALIVE


def reason(task: Mapping[str, Any]) -> str:
    """Why a task does not run, in a line for whoever runs the hub."""
    status = task["Status"]
    state = str(status.get("State", "unknown")).lower()
    said = " ".join(str(status.get("Err") or status.get("Message") or "").split())
    low = said.lower()
    if "no suitable node" in low:
        return (
            f"No machine can take it ({said}): add a worker (docker swarm join), or look at "
            "STUDENTS_CONSTRAINT and the memory that is set aside"
        )
    if "failed to mount" in low or "mount.nfs" in low or "error while mounting volume" in low:
        return (
            f"Its machine cannot mount the files ({said}): is the NFS server on? "
            "Ask it from there with docker/nfs/check_exports.py"
        )
    if "no such image" in low:
        return f"Its machine has no image of that name ({said}): push it to your registry"
    if "exit (137)" in low or "non-zero exit (137)" in low:
        return f"It was killed ({said}), most likely as it used more memory than it may"
    return f"It is {state}" + (f": {said}" if said else "")
