"""Lost machines, replaced as in docs/deployment.md.

These tests take 15 minutes or more, so they run only with CLASSROOM_DOCKER_LOSSES=1. The backup
repository is not on any of the lost machines but in the folder that replaces NFS here.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.ansible.site import AnsibleSite
from tests.docker.engine import CommandError, Engine, until

pytestmark = pytest.mark.skipif(
    os.environ.get("CLASSROOM_DOCKER_LOSSES") != "1", reason="opt-in: CLASSROOM_DOCKER_LOSSES=1"
)
DATABASES = "hub,cull,stats,formgrader"
HOMES = "/srv/classroom/homes"


class Site(AnsibleSite):
    """A site whose backup repository is not on the lost machines."""

    def __init__(self, engine: Engine, work: Path) -> None:
        super().__init__(engine, work)
        self.files = work / "srv" / "classroom"

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "backup_repository": "/srv/repository"}

    def snapshot(self, path: str) -> str:
        """Return the newest snapshot of a path."""
        words = ("classroom-backup", "restic", "snapshots", "--json", "--path", path)
        found = json.loads(self.on("files1", *words))
        return str(max(found, key=lambda each: str(each["time"]))["short_id"])

    def home(self, user: str) -> str:
        """Return the owner and mode of a home, and the content of its work file."""
        place = f"{HOMES}/{user}"
        owner = self.on("files1", "stat", "-c", "%u %a", place)
        return owner + self.on("files1", "cat", f"{place}/work.txt")

    def begin(self, user: str) -> None:
        """Start a user's server; retry once, as users do.

        :raises CommandError: it failed again; the message has the end of the hub's log
        """
        try:
            self.start(user)
        except CommandError:
            try:
                self.start(user)
            except CommandError as error:
                logs = ("docker", "service", "logs", "--raw", "--tail=80", "classroom_hub")
                raise CommandError(f"{error}\n{self.on('hub1', *logs)}") from None

    def work(self, user: str) -> str:
        """Start a user's server and write a file. :returns: see `home`"""
        self.begin(user)
        home = f"{HOMES}/{user}"
        write = f"echo of {user} >{home}/work.txt && chown --reference={home} {home}/work.txt"
        self.on("files1", "sh", "-c", write)
        return self.home(user)


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a hub, a file server and a worker."""
    made = Site(engine, tmp_path_factory.mktemp("losses"))
    made.clear()  # left over from a run that was killed
    try:
        made.make()
        yield made
    finally:
        made.clear()


def test_the_hubs_machine_is_replaced(site: Site) -> None:
    """Users keep their uids and their homes."""
    homes = {user: site.work(user) for user in ("bob", "ada")}
    site.back_up()
    before = site.snapshot("/var/backups/classroom/databases")

    site.machines.replace("hub1")
    site.on("worker1", "docker", "swarm", "leave", "--force")
    site.play("site.yml")
    site.play(
        *("restore.yml", "--tags=databases", "-e", f"restore_databases={DATABASES}"),
        *("-e", f"restore_snapshot={before}"),
    )

    # In reverse order: with an empty database, each user would get the other's uid.
    for user in ("ada", "bob"):
        site.begin(user)
        assert site.home(user) == homes[user]


def test_the_file_server_is_replaced(site: Site) -> None:
    """Every home is restored with its owner and mode, and servers can use it."""
    homes = {user: site.work(user) for user in ("ada", "bob")}
    site.back_up()
    before = site.snapshot(HOMES)

    shutil.rmtree(site.files)
    site.machines.replace("files1")
    site.play("site.yml")
    for each in ("homes", "exchange", "courses"):
        site.play(
            *("restore.yml", "--tags=files", "-e", f"restore_path={each}"),
            *("-e", f"restore_snapshot={before}", "-e", "restore_over=true"),
        )
    for user in homes:
        site.ask("DELETE", f"/users/{user}/server")
        until(f"{user}'s end", lambda user=user: not site.container(user), seconds=120)
    for each in ("hub", "course101"):
        site.on("hub1", "docker", "service", "update", "--quiet", "--force", f"classroom_{each}")

    for user, home in homes.items():
        site.begin(user)
        assert site.home(user) == home
    assert site.work("cyd").startswith("1000002 700")
