"""Debian machines for playbooks: containers with systemd and sshd.

They contain what a new Debian server has (systemd, ssh, python3 with python3-apt). ssh connects
through ``docker exec``, so that no port needs to be published.
"""

import hashlib
import os
import re
import sys
import venv
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.docker.engine import BASE, KEPT, CommandError, Engine, run, until
from tests.paths import ROOT

ANSIBLE = ROOT / "docker" / "ansible"
IMAGE = "classroom-test-machine"
NETWORK = "classroom-test-machines"
#: A network reserved for documentation.
SUBNET = "198.51.100.0/24"
#: The packages that the playbooks install are downloaded here, so that this happens only once.
DOCKERFILE = f"""FROM {BASE}
RUN rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq \\
 && export DEBIAN_FRONTEND=noninteractive && apt-get install -y -qq --no-install-recommends \\
      dbus iproute2 openssh-server python3 python3-apt systemd systemd-sysv \\
 && apt-get install -y -qq --no-install-recommends --download-only \\
      docker.io nfs-common nfs-kernel-server nftables restic \\
 && echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/fast && mkdir -p -m 0700 /root/.ssh
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
"""
#: Options for a container that runs a Docker engine where privileged containers are not allowed.
ENGINE_OPTIONS = (
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"),
    *("--device-cgroup-rule", "a *:* rwm", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "-v", "/var/lib/docker"),
    *("-e", "container=docker"),
)


def ansible_programs() -> Path:
    """Return the directory of Ansible's programs; install them in a virtual environment."""
    wanted = (ANSIBLE / "requirements.txt").read_bytes() + sys.version.encode()
    directory = KEPT / f"ansible-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if not (directory / "done").exists():
        venv.create(directory, with_pip=True, clear=True)
        pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
        run([*pip, "--disable-pip-version-check", "-r", str(ANSIBLE / "requirements.txt")])
        (directory / "done").touch()
    return directory / "bin"


def needs_ansible() -> Path:
    """Return the directory of Ansible's programs; skip the test if they cannot be installed."""
    try:
        return ansible_programs()
    except CommandError as error:
        if os.environ.get("REQUIRE_DOCKER") == "1":
            raise
        pytest.skip(f"NO ANSIBLE: {str(error).splitlines()[-1]}")


def play(playbook: str, inventory: Path, *words: str, env: Mapping[str, str] = os.environ) -> str:
    """Run ansible-playbook and return its output. :raises CommandError: the play failed"""
    program = str(ansible_programs() / "ansible-playbook")
    return run(
        [program, "-i", str(inventory), playbook, *words],
        # ssh shares connections by machine name; use a separate directory for each run.
        env={
            **env,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{inventory.parent}/.ssh",
        },
        cwd=ANSIBLE,
    )


class Machines:
    """Machines with the given names and the addresses .10, .11 and so on."""

    def __init__(self, engine: Engine, work: Path, names: tuple[str, ...]) -> None:
        self._engine = engine
        self._work = work
        self.addresses = {
            name: SUBNET.replace("0/24", str(number)) for number, name in enumerate(names, start=10)
        }
        self.key = work / "key"
        #: A folder that all machines share, because kernels of containers have no NFS server.
        self._shared = work / "srv"

    def connect(self) -> None:
        """Create the machines' network."""
        self._engine.docker("network", "create", "--subnet", SUBNET, NETWORK)

    def start(self) -> None:
        """Start the machines. :raises CommandError: systemd does not run in a container here"""
        image = self._work / "image"
        image.mkdir()
        self._shared.mkdir()
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)])
        (image / "Dockerfile").write_text(DOCKERFILE)
        self._engine.docker("build", "-q", "-t", IMAGE, str(image))
        for name in self.addresses:
            self._make(name)
        for name in self.addresses:
            until(f"systemd of {name}", lambda name=name: self._is_up(name))

    def _make(self, name: str) -> None:
        self._engine.docker(
            *("run", "-d", "--name", name, "--hostname", name),
            *("--network", NETWORK, "--ip", self.addresses[name], *ENGINE_OPTIONS),
            *("-v", f"{self.key}.pub:/root/.ssh/authorized_keys:ro"),
            *("-v", f"{self._shared}:/srv", IMAGE),
        )

    def replace(self, name: str) -> None:
        """Remove a machine with its data, and start a plain one with the same name and address."""
        self._engine.docker("rm", "-fv", name)
        self._make(name)
        until(f"systemd of {name}", lambda: self._is_up(name))

    def stop(self) -> None:
        """Remove the machines with their data."""
        with suppress(CommandError):  # some may be missing after a killed run
            self._engine.docker("rm", "-fv", *self.addresses)

    def disconnect(self) -> None:
        """Remove the machines' network."""
        with suppress(CommandError):
            self._engine.docker("network", "rm", NETWORK)

    def _is_up(self, name: str) -> bool:
        try:
            return self.on(name, "systemctl", "is-system-running").strip() == "running"
        except CommandError as error:
            return "degraded" in str(error)

    def on(self, name: str, *words: str, **options: Any) -> str:
        """Run a command on a machine and return its output. :raises CommandError: it failed"""
        return self._engine.docker("exec", name, *words, **options)

    @property
    def ssh_arguments(self) -> str:
        """Options with which ssh reaches a machine by name."""
        return (
            '-o ProxyCommand="docker exec -i %h sh -c '
            "'mkdir -p /run/sshd; exec /usr/sbin/sshd -i'\" "
            "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        )


def changes(output: str) -> dict[str, int]:
    """Return the number of changed tasks by machine, from a playbook's output."""
    recap = output.partition("PLAY RECAP")[2]
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s.*changed=(\d+)", recap, re.M)}
