"""Debian machines for a playbook: containers with systemd and sshd, reached by ssh.

They have what a fresh Debian server has (systemd, ssh, python3 with apt's) and nothing else. ssh
goes through ``docker exec``, so that no port is published and no address of theirs need be reached.
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
#: Documentation's own addresses: they are nobody's.
SUBNET = "198.51.100.0/24"
#: What the playbook installs lies there as packages, so that they are fetched but once.
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
#: What an engine in a container needs where a privileged container is not to be had.
MAY_HOLD_AN_ENGINE = (
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"),
    *("--device-cgroup-rule", "a *:* rwm", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "-v", "/var/lib/docker"),
    *("-e", "container=docker"),
)


def ansible_programs() -> Path:
    """The directory of the programs of Ansible, in an environment of their own."""
    wanted = (ANSIBLE / "requirements.txt").read_bytes() + sys.version.encode()
    directory = KEPT / f"ansible-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if not (directory / "done").exists():
        venv.create(directory, with_pip=True, clear=True)
        pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
        run([*pip, "--disable-pip-version-check", "-r", str(ANSIBLE / "requirements.txt")])
        (directory / "done").touch()
    return directory / "bin"


def needs_ansible() -> Path:
    """The directory of Ansible's programs; the test is skipped where it cannot be installed."""
    try:
        return ansible_programs()
    except CommandError as error:
        if os.environ.get("REQUIRE_DOCKER") == "1":
            raise
        pytest.skip(f"NO ANSIBLE: {str(error).splitlines()[-1]}")


def play(playbook: str, inventory: Path, *words: str, env: Mapping[str, str] = os.environ) -> str:
    """What ansible-playbook prints. :raises CommandError: the play failed"""
    program = str(ansible_programs() / "ansible-playbook")
    return run(
        [program, "-i", str(inventory), playbook, *words],
        # Connections are kept, by the machines' names: those of another run are not to be taken.
        env={
            **env,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": f"{inventory.parent}/.ssh",
        },
        cwd=ANSIBLE,
    )


class Machines:
    """Machines of the given names, with the addresses .10, .11 and so on."""

    def __init__(self, engine: Engine, work: Path, names: tuple[str, ...]) -> None:
        self._engine = engine
        self._work = work
        self.addresses = {
            name: SUBNET.replace("0/24", str(number)) for number, name in enumerate(names, start=10)
        }
        self.key = work / "key"
        #: The same folder on every machine, as kernels of containers have no NFS.
        self._shared = work / "srv"

    def connect(self) -> None:
        """Make the network that they are in."""
        self._engine.docker("network", "create", "--subnet", SUBNET, NETWORK)

    def start(self) -> None:
        """Make them. :raises CommandError: systemd does not come up in a container here"""
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
            *("--network", NETWORK, "--ip", self.addresses[name], *MAY_HOLD_AN_ENGINE),
            *("-v", f"{self.key}.pub:/root/.ssh/authorized_keys:ro"),
            *("-v", f"{self._shared}:/srv", IMAGE),
        )

    def replace(self, name: str) -> None:
        """Lose a machine with all that it holds, and have a bare one of its name and address."""
        self._engine.docker("rm", "-fv", name)
        self._make(name)
        until(f"systemd of {name}", lambda: self._is_up(name))

    def stop(self) -> None:
        """Remove them with all that they hold."""
        with suppress(CommandError):  # some may be missing, where a run was killed
            self._engine.docker("rm", "-fv", *self.addresses)

    def disconnect(self) -> None:
        """Remove their network."""
        with suppress(CommandError):
            self._engine.docker("network", "rm", NETWORK)

    def _is_up(self, name: str) -> bool:
        try:
            return self.on(name, "systemctl", "is-system-running").strip() == "running"
        except CommandError as error:
            return "degraded" in str(error)

    def on(self, name: str, *words: str, **options: Any) -> str:
        """What a command prints on a machine. :raises CommandError: it failed"""
        return self._engine.docker("exec", name, *words, **options)

    @property
    def ssh_arguments(self) -> str:
        """How ssh reaches a machine by its name."""
        return (
            '-o ProxyCommand="docker exec -i %h sh -c '
            "'mkdir -p /run/sshd; exec /usr/sbin/sshd -i'\" "
            "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        )


def changes(said: str) -> dict[str, int]:
    """How many tasks of a play changed something, by machine."""
    recap = said.partition("PLAY RECAP")[2]
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s.*changed=(\d+)", recap, re.M)}
