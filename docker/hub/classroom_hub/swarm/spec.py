"""Service specifications for students' servers, and the meaning of task states. Pure.

Field names are those of the Engine API, version 1.41 (Docker 20.10) and newer:
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Service
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import ConfigError

SECOND = 1_000_000_000  # the Engine counts nanoseconds
#: A service's name is also its host name, and a DNS label has at most 63 characters.
MAX_NAME_LENGTH = 63
#: States of a task that runs or will run.
ALIVE = frozenset(
    ("new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running")
)
ENDPOINT_MODES = ("dnsrr", "vip")


@dataclass(frozen=True)
class Files:
    """The folder that all machines share, as options of Docker's local volume driver.

    For NFS: type "nfs", options "addr=192.0.2.20,nfsvers=4.2,hard", device ":/srv/classroom".
    For a folder that every machine has mounted already: "none", "bind", "/srv/classroom".
    """

    type: str
    options: str
    device: str

    def __post_init__(self) -> None:
        """:raises ConfigError: with all problems"""
        problems = []
        if self.type == "nfs":
            if not self.device.startswith(":/"):
                problems.append(
                    f"FILES_DEVICE={self.device}: for NFS, use : and the path on the server,"
                    " such as :/srv/classroom"
                )
            address = [each for each in self.options.split(",") if each.startswith("addr=")]
            if address in ([], ["addr="]):
                problems.append(
                    f"FILES_OPTIONS={self.options}: the NFS server is missing; add"
                    " addr=192.0.2.20 with your server's address"
                )
        elif not self.device.startswith("/"):
            problems.append(
                f"FILES_DEVICE={self.device}: use an absolute path, such as /srv/classroom"
            )
        if problems:
            raise ConfigError(problems)

    def mount(self, kind: str, inside: str, target: str, *, read_only: bool = False) -> Any:
        """Return a mount of the subfolder ``inside``; each machine creates the volume on first use.

        A volume keeps the options that it was created with, so its name contains a digest of them:
        another server gets other volumes.
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
                # Otherwise Docker copies the image's files and changes owners, which NFS refuses.
                "NoCopy": True,
                "Labels": {"classroom.files": inside},
                "DriverConfig": {"Name": "local", "Options": options},
            },
        }


@dataclass(frozen=True)
class Limits:
    """Resource limits of a server, and the guarantees reserved for it on its machine.

    Memory is in bytes and CPUs in cores; None means no limit.
    """

    memory: int | None = None
    memory_guarantee: int | None = None
    cpus: float | None = None
    cpus_guarantee: float | None = None
    processes: int = 1000

    def spec(self) -> dict[str, dict[str, int]]:
        """Return the limits in the format of the Engine API."""
        limits = {"MemoryBytes": self.memory, "NanoCPUs": _nano(self.cpus), "Pids": self.processes}
        reservations = {
            "MemoryBytes": self.memory_guarantee,
            "NanoCPUs": _nano(self.cpus_guarantee),
        }
        return {
            "Limits": {key: value for key, value in limits.items() if value},
            "Reservations": {key: value for key, value in reservations.items() if value},
        }


def _nano(cpus: float | None) -> int | None:
    return None if cpus is None else int(cpus * SECOND)


def service_name(prefix: str, user: str, server: str = "") -> str:
    """Return the service name of a server; user and server names are escaped (a-z, 0-9, -)."""
    name = "-".join((prefix, user, *(["", server] if server else [])))
    if len(name) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name[: MAX_NAME_LENGTH - 11].rstrip('-')}-{digest}"


def container_spec(
    image: str,
    command: Sequence[str],
    environment: Mapping[str, object],
    mounts: Sequence[Any],
    capabilities: Sequence[str],
) -> dict[str, Any]:
    """Return a server's container spec; only its entry point uses the capabilities."""
    return {
        "Image": image,
        "Args": list(command),
        "Env": [f"{key}={value}" for key, value in environment.items() if value is not None],
        "Mounts": list(mounts),
        "Init": True,
        "StopGracePeriod": 10 * SECOND,
        # The hub checks itself whether a server responds. With a health check, Swarm would show the
        # server as starting for a full interval, and kill servers that are too busy to respond.
        "Healthcheck": {"Test": ["NONE"]},
        "CapabilityDrop": ["ALL"],
        "CapabilityAdd": [f"CAP_{each}" for each in capabilities],
        # As on hosts: an unprivileged process must not use a port that NFS servers trust as root's.
        "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "1024"},
        # Docker 25 and newer; the entry point sets it as well.
        "Privileges": {"NoNewPrivileges": True},
    }


def task_template(
    container: Mapping[str, Any], limits: Limits, network: str, constraints: Sequence[str]
) -> dict[str, Any]:
    """Return a server's task template: placement, limits and restart policy.

    A server that its user shut down (exit status 0) is not restarted. A server that lost its
    machine or was killed for its memory use is restarted a limited number of times.
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
    """Return a service's current task: the one that should run, otherwise the newest.

    There are several while a service moves from a lost machine; the old task should shut down.
    """
    if not tasks:
        return None
    wanted = [task for task in tasks if task.get("DesiredState") in ("running", "ready")]
    return max(wanted or tasks, key=lambda task: str(task.get("CreatedAt", "")))


def is_alive(task: Mapping[str, Any]) -> bool:
    """Whether a task runs, or will run without intervention."""
    wanted = task.get("DesiredState") in ("running", "ready")
    return wanted and str(task["Status"]["State"]).lower() in ALIVE


def reason(task: Mapping[str, Any]) -> str:
    """Return, in one line for administrators, why a task does not run."""
    status = task["Status"]
    state = str(status.get("State", "unknown")).lower()
    message = " ".join(str(status.get("Err") or status.get("Message") or "").split())
    lowered = message.lower()
    if "no suitable node" in lowered:
        return (
            f"No machine can run it ({message}): add a worker (docker swarm join), or check"
            " STUDENTS_CONSTRAINT and MEMORY_GUARANTEE"
        )
    if (
        "failed to mount" in lowered
        or "mount.nfs" in lowered
        or "error while mounting volume" in lowered
    ):
        return (
            f"Its machine cannot mount the files ({message}): check that the NFS server is running,"
            " with docker/nfs/check_exports.py on that machine"
        )
    if "no such image" in lowered:
        return f"Its machine does not have the image ({message}): push it to your registry"
    if "exit (137)" in lowered or "non-zero exit (137)" in lowered:
        return f"It was killed ({message}), probably because it exceeded its memory limit"
    return f"Task state: {state}" + (f": {message}" if message else "")
