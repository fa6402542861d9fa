"""A classroom of three machines that site.yml made: its inventory and images, and looks at it."""

import json
import secrets
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.docker.engine import BASE, ROOT, CommandError, Engine, run
from tests.docker.machines import ANSIBLE, Machines, ansible_programs, changes

NAMES = ("hub1", "files1", "worker1")
POSTGRES = "classroom-test-postgres"
OURS = ("proxy", "hub", "services", "singleuser")
TOKEN = "t" * 40
#: What only the tests need: a way to ask the hub in everybody's name.
HUB_TEST = f"""
c.JupyterHub.services.append({{"name": "tests", "api_token": "{TOKEN}", "display": False}})
c.JupyterHub.load_roles.append({{
    "name": "tests-service", "scopes": ["admin:users", "admin:servers"], "services": ["tests"],
}})
"""
MORE = """
version: "3.8"
services:
  hub: {configs: [{source: tests, target: /etc/classroom/hub.d/tests.py}]}
  course101: {deploy: {replicas: 0}}
configs:
  tests: {file: ./etc/tests.py}
"""
ROSTER = """
admins = ["admin"]
[[course]]
id = "course101"
instructors = ["instructor"]
students = ["ada", "bob"]
"""


class AnsibleSite:
    """``changed`` is what the playbook changed on the bare machines."""

    def __init__(self, engine: Engine, work: Path) -> None:
        self.engine = engine
        self.machines = Machines(engine, work, NAMES)
        self.addresses = self.machines.addresses
        self.changed: dict[str, int] = {}
        # Every hour, but half an hour from now: the only backups are those that tests ask for.
        self.calendar = f"*-*-* *:{(datetime.now(tz=UTC).minute + 30) % 60:02}:00"
        self._inventory = work / "inventory"
        self._password = work / "vault-password"

    def make(self) -> None:
        """From bare machines to a hub that serves."""
        self._build()
        self._write_inventory()
        self.machines.start()
        said = changes(self.play("site.yml", "--skip-tags=images,stack,backup"))
        for name, words in (("hub1", (*OURS, POSTGRES)), ("worker1", ("singleuser",))):
            images = [each if each == POSTGRES else f"classroom-{each}:0.1.0" for each in words]
            self.machines.give_images(name, *images)
        for each in ("proxy", "hub", "services"):
            name = f"classroom-{each}"
            self.on("hub1", "docker", "tag", f"{name}:0.1.0", f"{name}:0.2.0")
        rest = changes(self.play("site.yml"))
        self.changed = {name: said.get(name, 0) + rest.get(name, 0) for name in NAMES}

    def clear(self) -> None:
        """Take everything away again."""
        with suppress(CommandError):
            self.machines.stop()

    def play(self, playbook: str, *words: str) -> str:
        """What a playbook prints. :raises CommandError: it failed"""
        vault = f"--vault-password-file={self._password}"
        return self.machines.play(playbook, self._inventory / "hosts.yml", vault, *words)

    def on(self, name: str, *words: str) -> str:
        """What a command prints on a machine. :raises CommandError: it failed"""
        return self.machines.on(name, *words)

    def version(self) -> str:
        """The image that the hub runs by."""
        form = "{{.Spec.TaskTemplate.ContainerSpec.Image}}"
        said = self.on("hub1", "docker", "service", "inspect", "classroom_hub", "--format", form)
        return said.strip()

    def ask(self, method: str, path: str) -> str:
        """What the Hub's API answers, asked from the worker. :raises CommandError: it refuses"""
        return self.on("worker1", "python3", "-c", ASK, self.addresses["hub1"], method, path, TOKEN)

    def add(self, user: str) -> None:
        """Make a user, unless the roster has made it already."""
        with suppress(CommandError):
            self.ask("POST", f"/users/{user}")

    def serves(self) -> bool:
        """Whether the hub answers."""
        with suppress(CommandError):
            return "version" in self.ask("GET", "/")
        return False

    def is_ready(self, user: str) -> bool:
        """Whether the user's server runs."""
        servers: dict[str, Any] = json.loads(self.ask("GET", f"/users/{user}"))["servers"]
        return bool(servers.get("", {}).get("ready"))

    def _build(self) -> None:
        for name in OURS:
            directory, tag = ROOT / "docker/images" / name, f"classroom-{name}:0.1.0"
            self.engine.build(directory, tag, BASE_IMAGE=BASE, VERSION="0.1.0")
        self.engine.docker("build", "-q", "-t", POSTGRES, str(ROOT / "tests/docker/postgres"))

    def _write_inventory(self) -> None:
        """The example's, with these machines, secrets in a vault, and what only tests need."""
        shutil.copytree(ANSIBLE / "inventory.example", self._inventory)
        etc = self._inventory / "etc"
        shutil.copytree(ROOT / "docker/etc.example", etc)
        (etc / "roster.toml").write_text(ROSTER)
        (etc / "tests.py").write_text(HUB_TEST)
        (etc / "more.yaml").write_text(MORE)
        hub, files, worker = (
            {"hosts": {name: {"cluster_address": self.addresses[name]}}} for name in NAMES
        )
        hosts = {"all": {"children": {"hub": hub, "nfs": files, "workers": worker}}}
        (self._inventory / "hosts.yml").write_text(json.dumps(hosts))
        group_vars = self._inventory / "group_vars" / "all"
        (group_vars / "tests.yml").write_text(json.dumps(self._settings()))
        example = (group_vars / "vault.yml.example").read_text("utf-8")
        names = [line.partition(":")[0] for line in example.splitlines() if "CHANGE-ME" in line]
        vault = group_vars / "vault.yml"
        vault.write_text(
            json.dumps({name: secrets.token_hex(32) for name in names if name.startswith("vault")})
        )
        self._password.write_text("of these tests")
        encrypt = [str(ansible_programs() / "ansible-vault"), "encrypt", str(vault)]
        run([*encrypt, f"--vault-password-file={self._password}"])
        assert "vault_cull_token" not in vault.read_text("utf-8")

    def _settings(self) -> dict[str, Any]:
        return {
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.machines.key),
            "ansible_ssh_common_args": self.machines.ssh_arguments,
            "nfs_server_manage_service": False,
            "nfs_client_check": False,
            "classroom_registry": "",
            "classroom_stack_more": ["etc/more.yaml"],
            "classroom_environment": {
                "PUBLIC_URL": f"http://{self.addresses['hub1']}",
                "AUTHENTICATOR": "shared-password",
                "FILES_TYPE": "none",
                "FILES_OPTIONS": "bind",
                "FILES_DEVICE": "/srv/classroom",
                "MEMORY_GUARANTEE": "64M",
                "POSTGRES_IMAGE": POSTGRES,
                "SINGLEUSER_IMAGE": "classroom-singleuser:0.1.0",
                "CULL_EVERY": "600",
            },
            "backup_calendar": self.calendar,
        }


ASK = """import sys, urllib.request
address, method, path, token = sys.argv[1:]
request = urllib.request.Request(f"http://{address}/hub/api{path}", method=method,
                                 headers={"Authorization": f"token {token}"})
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""
