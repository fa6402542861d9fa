"""Three machines installed by site.yml, with their inventory, images and registry."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from common import __version__
from tests.docker.ansible.inventory import encrypt, write_inventory
from tests.docker.engine import BASE, CommandError, Engine, until
from tests.docker.machines import ANSIBLE, NETWORK, SUBNET, Machines, changes, play
from tests.docker.registry import Registry
from tests.paths import ROOT

NAMES = ("hub1", "files1", "worker1")
POSTGRES = "classroom-test-postgres"
IMAGES = ("proxy", "hub", "services", "formgrader", "singleuser")
VERSION = __version__
#: Services of the stack that use the project's images.
SERVICES = ("proxy", "hub", "cull", "stats", "formgrader", "course101")
TOKEN = "t" * 40
DAEMON = yaml.safe_load((ANSIBLE / "roles/docker/defaults/main.yml").read_text("utf-8"))[
    "docker_daemon"
]
#: A service for the tests, with a token that may manage all users and servers.
HUB_TEST = f"""
c.JupyterHub.services.append({{"name": "tests", "api_token": "{TOKEN}", "display": False}})
c.JupyterHub.load_roles.append({{
    "name": "tests-service", "scopes": ["admin:users", "admin:servers"], "services": ["tests"],
}})
"""
#: Additions to the stack: the service above, and a short time in which Swarm monitors updates.
MORE = """
version: "3.8"
x-update: &update {deploy: {update_config: {monitor: 5s}}}
services:
  hub: {<<: *update, configs: [{source: tests, target: /etc/classroom/hub.d/tests.py}]}
  proxy: *update
  cull: *update
  stats: *update
  formgrader: *update
  course101: *update
configs:
  tests: {file: ./etc/tests.py}
"""
ROSTER = """
admins = ["admin"]
[[course]]
id = "course101"
instructors = ["instructor"]
students = ["ada", "bob", "cyd"]
"""


class AnsibleSite:
    """A hub, a file server and a worker.

    ``changed`` has the number of changes by machine in the first run of site.yml.
    """

    def __init__(self, engine: Engine, work: Path) -> None:
        self.engine = engine
        self.machines = Machines(engine, work, NAMES)
        self.registry = Registry(engine, work, NETWORK, SUBNET.replace("0/24", "2"))
        self.addresses = self.machines.addresses
        self.changed: dict[str, int] = {}
        # Half an hour from now, so that the only backups are those that the tests start.
        self.calendar = f"*-*-* *:{(datetime.now(tz=UTC).minute + 30) % 60:02}:00"
        self._work = work
        self._inventory = work / "inventory"
        self._password = work / "vault-password"

    def make(self) -> None:
        """Start plain machines and run site.yml on them."""
        self._build()
        self.machines.connect()
        self.registry.start()
        self.machines.start()
        self.registry.push(POSTGRES)
        for name in IMAGES:
            self.registry.push(f"classroom-{name}:{VERSION}")
        self._write_inventory()
        self.changed = changes(self.play("site.yml"))

    def clear(self) -> None:
        """Remove the machines, the registry and the network."""
        self.machines.stop()
        self.registry.stop()
        self.machines.disconnect()

    def release(self, version: str, **more: str) -> None:
        """Push a version to the registry; ``more`` has additional Dockerfile lines by image."""
        for name in IMAGES:
            directory = self._work / f"{name}-{version}"
            directory.mkdir(exist_ok=True)
            image = f"classroom-{name}:{version}"
            lines = [f"FROM classroom-{name}:{VERSION}", f"LABEL version={version}"]
            (directory / "Dockerfile").write_text("\n".join([*lines, more.get(name, "")]))
            self.engine.docker("build", "-q", "-t", image, str(directory))
            self.registry.push(image)
            self.engine.docker("rmi", image)

    def archive(self, image: str) -> Path:
        """Save a tiny image with docker save. :returns: the file"""
        directory = self._work / "archive"
        directory.mkdir()
        (directory / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
        self.engine.docker("build", "-q", "-t", image, str(directory))
        made = directory / "images.tar"
        self.engine.docker("save", "-o", str(made), image)
        self.engine.docker("rmi", image)
        return made

    def play(self, playbook: str, *words: str) -> str:
        """Run a playbook and return its output. :raises CommandError: it failed"""
        vault = f"--vault-password-file={self._password}"
        hosts, env = self._inventory / "hosts.yml", self.engine.environment
        return play(playbook, hosts, vault, *words, env=env)

    def on(self, name: str, *words: str) -> str:
        """Run a command on a machine and return its output. :raises CommandError: it failed"""
        return self.machines.on(name, *words)

    def versions(self) -> set[str]:
        """Return the versions of the stack's services, both specified and running."""
        form = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
        names = [f"classroom_{name}" for name in SERVICES]
        specified = self.on("hub1", "docker", "service", "inspect", *names, "--format", form)
        words = ("--filter", "label=com.docker.stack.namespace=classroom", "--format", "{{.Image}}")
        run = self.on("hub1", "docker", "ps", *words)
        images = {each.partition("@")[0] for each in (*specified.split(), *run.split())}
        return {each.rpartition(":")[2] for each in images if POSTGRES not in each}

    def ask(self, method: str, path: str, *, patience: float = 60) -> str:
        """Send a request to the Hub's API from the worker and return the response.

        :raises CommandError: an error status, or no response within ``patience`` seconds
        """
        words = (self.addresses["hub1"], method, path, TOKEN, str(patience))
        return self.on("worker1", "python3", "-c", ASK, *words)

    def add(self, user: str) -> None:
        """Create a user unless the roster has already done so."""
        with suppress(CommandError):
            self.ask("POST", f"/users/{user}")

    def serves(self) -> bool:
        """Whether the hub responds."""
        with suppress(CommandError):
            return "version" in self.ask("GET", "/", patience=0)
        return False

    def start(self, user: str) -> str:
        """Start a user's server if it is not running. :returns: its container"""
        until("the hub", self.serves, seconds=180)
        self.add(user)
        until(f"{user}'s server", lambda: self._runs(user), seconds=180)
        return self.container(user)

    def _runs(self, user: str) -> bool:
        if self.is_ready(user):
            return True
        with suppress(CommandError):  # the server is already starting
            self.ask("POST", f"/users/{user}/server")
        return self.is_ready(user)

    def is_ready(self, user: str) -> bool:
        """Whether the user's server is ready according to the Hub."""
        servers: dict[str, Any] = json.loads(self.ask("GET", f"/users/{user}"))["servers"]
        return bool(servers.get("", {}).get("ready"))

    def container(self, user: str) -> str:
        """Return the ID, image and start time of a user's container on the worker, or ""."""
        words = (
            "ps",
            "-q",
            "--filter",
            f"label=com.docker.swarm.service.name=classroom-user-{user}",
        )
        found = self.on("worker1", "docker", *words).split()
        form = "{{.Id}} {{.Config.Image}} {{.State.StartedAt}}"
        return self.on("worker1", "docker", "inspect", *found, "--format", form) if found else ""

    def back_up(self) -> None:
        """Run the backup on both machines, as the timers do."""
        for name in ("files1", "hub1"):
            self.on(name, "systemctl", "start", "classroom-backup.service")

    def _build(self) -> None:
        for name in IMAGES:
            directory, tag = ROOT / "docker/images" / name, f"classroom-{name}:{VERSION}"
            self.engine.build(directory, tag, BASE_IMAGE=BASE, VERSION=VERSION)
        self.engine.docker("build", "-q", "-t", POSTGRES, str(ROOT / "tests/docker/postgres"))

    def _write_inventory(self) -> None:
        """Write the example inventory with these machines, an encrypted vault and test settings."""
        hub, files, worker = NAMES
        groups = {"hub": [hub], "nfs": [files], "workers": [worker]}
        write_inventory(self._inventory, groups, self.addresses, self._settings())
        etc = self._inventory / "etc"
        (etc / "roster.toml").write_text(ROSTER)
        (etc / "tests.py").write_text(HUB_TEST)
        (etc / "more.yaml").write_text(MORE)
        self._password.write_text("of these tests")
        encrypt(self._inventory, self._password)

    def _settings(self) -> dict[str, Any]:
        registry = self.registry.address
        return {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.machines.key),
            "ansible_ssh_common_args": self.machines.ssh_arguments,
            "nfs_server_manage_service": False,
            "nfs_client_check": False,
            # The registry has no TLS; everything else is as in the role's defaults.
            "docker_daemon": {**DAEMON, "insecure-registries": [registry]},
            "classroom_registry": f"{registry}/",
            "classroom_version": VERSION,
            "classroom_stack_more": ["etc/more.yaml"],
            "classroom_environment": {
                "PUBLIC_URL": f"http://{self.addresses['hub1']}",
                "AUTHENTICATOR": "shared-password",
                "FILES_TYPE": "none",
                "FILES_OPTIONS": "bind",
                "FILES_DEVICE": "/srv/classroom",
                "MEMORY_GUARANTEE": "64M",
                "POSTGRES_IMAGE": f"{registry}/{POSTGRES}",
                "CULL_EVERY": "600",
            },
            "backup_calendar": self.calendar,
        }


#: Retries while the hub or proxy is unavailable; on a busy machine, Swarm may replace slow tasks.
ASK = """import sys, time, urllib.error, urllib.request
address, method, path, token, patience = sys.argv[1:]
request = urllib.request.Request(f"http://{address}/hub/api{path}", method=method,
                                 headers={"Authorization": f"token {token}"})
end = time.monotonic() + float(patience)
while True:
    try:
        print(urllib.request.urlopen(request, timeout=60).read().decode())
        break
    except OSError as error:
        answered = isinstance(error, urllib.error.HTTPError) and error.code != 503
        if answered or time.monotonic() > end:
            sys.exit(f"{method} {path}: {error}")
    time.sleep(0.5)
"""
