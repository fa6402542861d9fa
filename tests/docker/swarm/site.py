"""The stack on two machines: the tests' engine as the manager, and a worker in a container.

Not every kernel supports NFS, so both machines mount a local folder instead of the NFS export: the
volumes are the same, but with the type "none" instead of "nfs". Virtual IPs require IPVS, which
some kernels lack, so the endpoint mode is dnsrr.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common import __version__
from tests.docker.engine import BASE, CommandError, Engine, run, until
from tests.paths import ROOT

STACK = "swarmtest"
NODE = "classroom-node"
NODE_IMAGE = "classroom-test-node"
NETWORK = "classroom-nodes"
POSTGRES = "classroom-test-postgres"
VERSION = __version__
#: The project's images and the stack's services.
IMAGES = ("hub", "proxy", "services", "singleuser", "formgrader")
SERVICES = ("proxy", "db", "hub", "cull", "stats", "formgrader", "course101")
#: The manager's address as seen from the worker: the gateway of their network.
MANAGER = "10.79.0.1"
NODE_ADDRESS = "10.79.0.2"
TOKEN = "t" * 40
STUDENTS = ("ada", "bob", "cyd", "dan", "eve")

NODE_DOCKERFILE = f"""FROM {BASE}
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
      --no-install-recommends docker.io iptables mount && rm -rf /var/lib/apt/lists/*
"""
#: Starts an engine in an unprivileged container; remounts read-only file systems as writable.
NODE_START = """
for each in /sys /sys/fs/cgroup /sys/fs/cgroup/*/; do mount -o remount,rw,bind "$each"; done
rm -f /run/docker.pid /run/docker/containerd/containerd.pid
exec dockerd --data-root /data
"""
NODE_RIGHTS = (
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"),
    *("--device-cgroup-rule", "a *:* rwm"),
)
#: Test-only hub configuration: a token with access to all users, and no periodic route check, which
#: would hide that a new proxy received no routes.
HUB_TEST = f"""
c.JupyterHub.last_activity_interval = 3600
c.JupyterHub.services.append({{"name": "tests", "api_token": "{TOKEN}", "display": False}})
c.JupyterHub.load_roles.append({{
    "name": "tests-service",
    "scopes": ["admin:users", "admin:servers", "access:servers", "tokens"],
    "services": ["tests"],
}})
"""
MORE = """
version: "3.8"
services:
  hub: {configs: [{source: tests, target: /etc/classroom/hub.d/tests.py}]}
configs:
  tests: {file: ./tests.py}
"""
ROSTER = f"""
admins = ["admin"]
[[course]]
id = "course101"
instructors = ["instructor"]
students = {json.dumps(list(STUDENTS))}
"""


class Site:
    """The two machines.

    ``said`` contains the output of docker/swarm at each setup step, and ``took`` the duration of
    each test step in seconds.
    """

    def __init__(self, engine: Engine, work: Path) -> None:
        self.engine = engine
        # The engine publishes it, but docker/setup also requires it to be free on this machine.
        with socket.socket() as probe:
            probe.bind(("", 0))
            self._port = str(probe.getsockname()[1])
        self.url = f"http://{engine.address}:{self._port}"
        self.files = work / "files"
        self.said: dict[str, str] = {}
        self.took: dict[str, float] = {}
        self._work = work
        self._here = work / "docker"

    def make(self) -> None:
        """Build the images, set up the machines and deploy the stack."""
        with self.timed("images"):
            self._build()
        with self.timed("two machines"):
            self._machines()
        with self.timed("the stack"):
            self.said["deploy"] = self.swarm("deploy", "-c", str(self._here / "more.yaml"))
            for name in SERVICES:
                until(f"the service {name}", lambda name=name: self.is_up(name), seconds=240)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Record the duration of a step."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.took[step] = time.monotonic() - began

    def _machines(self) -> None:
        self._settings()
        self.said["no swarm"] = self.swarm("check")
        self.engine.docker("network", "create", "--subnet", "10.79.0.0/24", NETWORK)
        self.engine.docker("swarm", "init", "--advertise-addr", MANAGER)
        self.said["no labels"] = self.swarm("check")
        self.label(self.manager, "hub")
        self._join()
        self.label(self.node, "worker")
        self.said["ready"] = self.swarm("check")

    def clear(self) -> None:
        """Remove everything that the tests created."""
        docker = self.engine.docker
        with suppress(CommandError):
            if services := docker("service", "ls", "-q").split():
                docker("service", "rm", *services)
        # Their data is not needed, so there is no graceful shutdown.
        with suppress(CommandError):
            if tasks := docker("ps", "-aq", "--filter", TASKS).split():
                docker("rm", "-fv", *tasks)
        with suppress(AssertionError):  # continue with the cleanup
            until("the end of the tasks", lambda: not docker("ps", "-q", "--filter", TASKS).split())
        with suppress(CommandError):
            docker("rm", "-fv", NODE)
        with suppress(CommandError):
            docker("swarm", "leave", "--force")
        with suppress(CommandError):
            docker("network", "rm", NETWORK)
        for label in (f"com.docker.stack.namespace={STACK}", "classroom.files"):
            with suppress(CommandError):
                if there := docker("volume", "ls", "-q", "--filter", f"label={label}").split():
                    docker("volume", "rm", *there)

    def _build(self) -> None:
        """Build the images; CLASSROOM_DOCKER_IMAGES=there uses existing images instead."""
        if os.environ.get("CLASSROOM_DOCKER_IMAGES") == "there":
            return
        for name in IMAGES:
            self.engine.build(
                ROOT / "docker" / "images" / name,
                f"classroom-{name}:{VERSION}",
                BASE_IMAGE=BASE,
                VERSION=VERSION,
            )
        self.engine.docker("build", "-q", "-t", POSTGRES, str(ROOT / "tests/docker/postgres"))
        node = self._work / "node"
        node.mkdir()
        (node / "Dockerfile").write_text(NODE_DOCKERFILE)
        self.engine.docker("build", "-q", "-t", NODE_IMAGE, str(node))

    def _settings(self) -> None:
        """Run docker/setup and add the shared files to .env, as stack.yaml describes."""
        self._here.mkdir()
        for name in ("setup", "swarm", "stack.yaml"):
            shutil.copy2(ROOT / "docker" / name, self._here)
        for name in ("etc.example", "postgres"):
            shutil.copytree(ROOT / "docker" / name, self._here / name)
        env = {**self.engine.environment, "PORT": self._port}
        run([str(self._here / "setup"), "--defaults"], env=env)
        (self._here / "etc/roster.toml").write_text(ROSTER)
        (self._here / "tests.py").write_text(HUB_TEST)
        (self._here / "more.yaml").write_text(MORE)
        for name, mode in (("homes", 0o755), ("exchange", 0o1777), ("courses", 0o755)):
            (self.files / name).mkdir(parents=True)
            (self.files / name).chmod(mode)
        skeleton = self.files / "homes/.skeleton"
        skeleton.mkdir()
        (skeleton / "WELCOME.txt").write_text("Welcome\n")
        settings = {
            "STACK": STACK,
            "PUBLIC_URL": self.url,
            "ALLOW_PLAIN_HTTP": "yes",
            "PORT": self._port,
            "DOCKER_SOCKET": self.engine.environment["DOCKER_HOST"].removeprefix("unix://"),
            "FILES_TYPE": "none",
            "FILES_OPTIONS": "bind",
            "FILES_DEVICE": str(self.files),
            "MEMORY_GUARANTEE": "64M",
            "POSTGRES_IMAGE": POSTGRES,
            "CULL_EVERY": "600",
        }
        with (self._here / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())

    def _join(self) -> None:
        """Create the second machine, load the students' image and join it to the swarm."""
        self.engine.docker(
            *("run", "-d", "--name", NODE, "--hostname", "node"),
            *("--network", NETWORK, "--ip", NODE_ADDRESS),
            *(*NODE_RIGHTS, "-v", "/data", "-v", f"{self.files}:{self.files}"),
            *(NODE_IMAGE, "sh", "-c", NODE_START),
        )
        until("the node's engine", self._node_answers)
        token = self.engine.docker("swarm", "join-token", "-q", "worker").strip()
        self.on_node("docker", "swarm", "join", "--token", token, f"{MANAGER}:2377")
        env = self.engine.environment
        image = f"classroom-singleuser:{VERSION}"
        with subprocess.Popen(["docker", "save", image], env=env, stdout=subprocess.PIPE) as saving:
            run(["docker", "exec", "-i", NODE, "docker", "load"], env=env, stdin=saving.stdout)
        assert saving.returncode == 0

    def _node_answers(self) -> bool:
        with suppress(CommandError):
            return bool(self.on_node("docker", "version"))
        return False

    def on_node(self, *words: str) -> str:
        """Run a command on the worker and return its output. :raises CommandError: it failed"""
        return self.engine.docker("exec", NODE, *words)

    def swarm(self, *words: str) -> str:
        """Run docker/swarm; return stdout and stderr, regardless of the exit code."""
        done = subprocess.run(
            [str(self._here / "swarm"), *words],
            env={k: v for k, v in self.engine.environment.items() if k not in _OURS},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.stdout + done.stderr

    @property
    def manager(self) -> str:
        """The node ID of the manager."""
        return self.engine.docker("info", "--format", "{{.Swarm.NodeID}}").strip()

    @property
    def node(self) -> str:
        """The node ID of the worker."""
        return self.on_node("docker", "info", "--format", "{{.Swarm.NodeID}}").strip()

    def label(self, node: str, label: str, value: str = "true") -> None:
        """Set a placement label on a node."""
        self.engine.docker("node", "update", "--label-add", f"classroom.{label}={value}", node)

    def tasks(self, service: str) -> list[dict[str, Any]]:
        """Return the engine's description of the tasks of a service that should be running."""
        words = ("service", "ps", "-q", "--no-trunc", "--filter", "desired-state=running", service)
        ids = self.engine.docker(*words).split()
        return (
            list(json.loads(self.engine.docker("inspect", "--type", "task", *ids))) if ids else []
        )

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """Return the networks and addresses of a service of the stack."""
        return [
            (network["Network"]["Spec"]["Name"], address.split("/")[0])
            for task in self.tasks(f"{STACK}_{name}")
            for network in task["NetworksAttachments"]
            for address in network["Addresses"]
        ]

    def no_way_around(self) -> None:
        """Reject traffic that leaves the worker for addresses of the stack's internal networks.

        A container outside these networks sends such traffic to its default gateway, and a proxy
        between the machine and the internet may accept connections to any address.
        """
        for name in ("control", "course101"):
            words = ("--format", "{{(index .IPAM.Config 0).Subnet}}", f"{STACK}_{name}")
            subnet = self.engine.docker("network", "inspect", *words).strip()
            self.on_node("iptables", "-w", "-I", "FORWARD", "-d", subnet, "-j", "REJECT")

    def is_ready(self, node: str) -> bool:
        """Return whether a node of the swarm is ready."""
        words = ("node", "inspect", "--format", "{{.Status.State}}", node)
        return self.engine.docker(*words) == "ready\n"

    def where(self, student: str) -> str | None:
        """Return the ID of the node that runs a student's server, or None if it is not running."""
        with suppress(CommandError):  # the service does not exist
            for task in self.tasks(f"{STACK}-user-{student}"):
                if task["Status"]["State"] == "running":
                    return str(task["NodeID"])
        return None

    def is_up(self, name: str) -> bool:
        """Return whether a service of the stack is running and healthy."""
        with suppress(CommandError):
            return any(
                task["Status"]["State"] == "running" for task in self.tasks(f"{STACK}_{name}")
            )
        return False

    def update(self, name: str) -> None:
        """Replace a service's container, as an upgrade does, and wait for the new one to start."""
        with self.timed(f"a new {name}"):
            self._update(name)

    def _update(self, name: str) -> None:
        before = {task["ID"] for task in self.tasks(f"{STACK}_{name}")}
        words = ("service", "update", "--force", "--detach", "--no-resolve-image")
        self.engine.docker(*words, f"{STACK}_{name}")

        def replaced() -> bool:
            with suppress(CommandError):  # a task was removed while being inspected
                now = self.tasks(f"{STACK}_{name}")
                return any(t["ID"] not in before and t["Status"]["State"] == "running" for t in now)
            return False

        until(f"the new {name}", replaced, seconds=240)


TASKS = "label=com.docker.swarm.task"
#: Environment variables of this machine that would override settings of the stack.
_OURS = frozenset(("PORT", "VERSION", "REGISTRY", "STACK", "SERVICES", "PUBLIC_URL"))
