"""Machines that are gone for good, replaced as docs/deployment.md says. Takes a quarter of an hour
or more, so it is run where CLASSROOM_DOCKER_LOSSES=1 asks for it.

The repository of the backup is where no machine's loss takes it along: in the folder that stands
for NFS here, beside what the machine of the files serves.
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
    """A classroom whose backup is elsewhere."""

    def __init__(self, engine: Engine, work: Path) -> None:
        super().__init__(engine, work)
        self.files = work / "srv" / "classroom"

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "backup_repository": "/srv/repository"}

    def snapshot(self, path: str) -> str:
        """The newest snapshot of a path."""
        words = ("classroom-backup", "restic", "snapshots", "--json", "--path", path)
        found = json.loads(self.on("files1", *words))
        return str(max(found, key=lambda each: str(each["time"]))["short_id"])

    def home(self, user: str) -> str:
        """The owner and mode of a home, and what is in its file of work."""
        place = f"{HOMES}/{user}"
        said = self.on("files1", "stat", "-c", "%u %a", place)
        return said + self.on("files1", "cat", f"{place}/work.txt")

    def begin(self, user: str) -> None:
        """Start somebody's server, and once more should it fail, as people do who see that.

        :raises CommandError: it failed again; the text has the end of the hub's log
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
        """Have somebody work. :returns: their home"""
        self.begin(user)
        home = f"{HOMES}/{user}"
        write = f"echo of {user} >{home}/work.txt && chown --reference={home} {home}/work.txt"
        self.on("files1", "sh", "-c", write)
        return self.home(user)


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two students have worked, and all is saved."""
    made = Site(engine, tmp_path_factory.mktemp("losses"))
    made.clear()  # of a run that was killed
    try:
        made.make()
        yield made
    finally:
        made.clear()


def test_the_hubs_machine_is_replaced(site: Site) -> None:
    """Who had which uid is known again, and the students go on in their homes."""
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

    # In the other order than at first: by a new database each would have the other's uid.
    for user in ("ada", "bob"):
        site.begin(user)
        assert site.home(user) == homes[user]


def test_the_machine_of_the_files_is_replaced(site: Site) -> None:
    """Every home is there again, its owner's alone, and who works finds it."""
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
