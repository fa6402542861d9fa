"""The playbooks, run for real: from bare Debian machines to a classroom, and back from losses.

The machines share a folder in place of NFS, which a container's kernel has not: exports are written
and read back, but nothing is mounted (see test_nfs.py). All else is as in a room of machines.
"""

import json
from collections.abc import Iterator

import pytest

from tests.docker.ansible.site import NAMES, VERSION, AnsibleSite
from tests.docker.engine import CommandError, Engine, until
from tests.docker.machines import ANSIBLE, changes


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnsibleSite]:
    """A hub, a machine of files and a worker, as site.yml makes them of bare ones."""
    made = AnsibleSite(engine, tmp_path_factory.mktemp("site"))
    made.clear()  # of a run that was killed
    try:
        made.make()
        yield made
    finally:
        made.clear()


def test_the_stack_serves(site: AnsibleSite) -> None:
    """A student's server runs on the worker, with a home of the student's own uid."""
    assert site.start("ada")
    owner = site.on("files1", "stat", "-c", "%u %a", "/srv/classroom/homes/ada")
    assert int(owner.split()[0]) >= 1_000_000
    assert owner.split()[1] == "700"
    assert site.on("files1", "cat", "/srv/classroom/homes/ada/WELCOME.txt")


def test_a_second_run_changes_nothing(site: AnsibleSite) -> None:
    """The first did, on every machine; the second finds all as it should be."""
    assert set(site.changed) == set(NAMES)
    assert all(site.changed.values())
    again = site.play("site.yml")
    assert changes(again) == dict.fromkeys(NAMES, 0), again


def test_the_machines_are_one_swarm(site: AnsibleSite) -> None:
    """The hub leads, the worker works, the machine of files is no part of it."""
    nodes = site.on("hub1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    assert sorted(nodes.splitlines()) == ["hub1 Ready", "worker1 Ready"]
    (node,) = json.loads(site.on("hub1", "docker", "node", "inspect", "worker1"))
    assert node["Spec"]["Labels"] == {"classroom.hub": "false", "classroom.worker": "true"}
    with pytest.raises(CommandError):
        site.on("files1", "docker", "version")


def test_root_is_nobody_on_the_workers_files(site: AnsibleSite) -> None:
    """The hub makes homes as root; a worker's root has no say, and courses are read only."""
    lines = site.on("files1", "exportfs", "-s").splitlines()
    exports = {tuple(line.split("(")[0].split()): line.partition("(")[2] for line in lines}
    worker, hub = site.addresses["worker1"], site.addresses["hub1"]
    for directory in ("homes", "exchange", "courses"):
        path = f"/srv/classroom/{directory}"
        assert ",root_squash" in exports[path, worker]
        assert "no_root_squash" in exports[path, hub]
        assert "insecure" not in exports[path, worker]
    assert ",ro," in exports["/srv/classroom/courses", worker]
    assert len(exports) == 6


CONNECT = """import socket, sys
with socket.socket() as s:
    s.settimeout(5)
    s.bind(("", 0 if sys.argv[3] == "any" else 700))
    try: s.connect((sys.argv[1], int(sys.argv[2]))); print("reached")
    except OSError as error: print("not reached", error)
"""


def test_no_container_speaks_nfs_in_a_workers_name(site: AnsibleSite) -> None:
    """The worker itself reaches the NFS port; a student's container there does not, nor SSH.

    From the worker's address and a port below 1024, which Docker lets everybody bind, the server
    would believe it to be any user.
    """
    files, hub = site.addresses["files1"], site.addresses["hub1"]
    site.on("files1", "systemd-run", "--unit=port2049", "python3", "-m", "http.server", "2049")
    reached = ["python3", "-c", CONNECT, files, "2049", "700"]
    until("the port 2049", lambda: site.on("worker1", *reached) == "reached\n")
    image = f"{site.registry.address}/classroom-singleuser:{VERSION}"
    student = ["docker", "run", "--rm", "--user=1000001", "--cap-drop=ALL", "--entrypoint="]
    student += ["--pull=never", image]
    assert "not reached" in site.on("worker1", *student, *reached)
    for address in (files, hub):
        ssh = ["python3", "-c", CONNECT, address, "22", "any"]
        assert site.on("worker1", *ssh) == "reached\n"
        assert "not reached" in site.on("worker1", *student, *ssh)
    # What anybody may reach, it may as well.
    web = ["python3", "-c", CONNECT, hub, "80", "any"]
    assert site.on("worker1", *student, *web) == "reached\n"


def test_strangers_reach_nothing_but_the_web(site: AnsibleSite) -> None:
    """The machine of files is none of the swarm's, and a port that nobody opened is silent."""
    hub = site.addresses["hub1"]
    assert "policy drop" in site.on("hub1", "nft", "list", "table", "inet", "classroom")
    said = {
        port: site.on("files1", "python3", "-c", CONNECT, hub, port, "any").strip()
        for port in ("80", "443", "2376")
    }
    assert said["80"] == "reached"
    assert "refused" in said["443"]  # let in, though nobody listens in this test
    assert "timed out" in said["2376"]


#: Names that are hard for a shell, links, modes, and what is not worth saving.
HOMES = """set -e
cd /srv/classroom/homes
for each in ana@uni.example "b o" q?x=1; do
  mkdir -p -m 0700 "$each/work"; echo "of $each" >"$each/work/one.ipynb"
  chmod 0640 "$each/work/one.ipynb"; ln -sf work/one.ipynb "$each/link"
done
chown -hR 1999991:1999991 ana@uni.example
chown -hR 1999992:1999992 "b o"
mkdir -p ana@uni.example/.cache; echo big >ana@uni.example/.cache/big
"""


def _state(site: AnsibleSite) -> str:
    """The homes of above: owners, modes, times of change, links and contents."""
    look = (
        "cd /srv/classroom/homes && "
        "find ana* b* q* -path '*/.cache' -prune -o -printf '%p %U:%G %m %y %l %T@\\n' | sort; "
        "find ana* b* q* -type f -not -path '*/.cache/*' -exec sha256sum {} + | sort"
    )
    return site.on("files1", "sh", "-c", look)


def test_a_home_that_was_deleted_comes_back(site: AnsibleSite) -> None:
    """With owners, modes, times, links and contents; no caches, nothing overwritten."""
    site.on("files1", "bash", "-c", HOMES)
    before = _state(site)
    assert "ana@uni.example/work/one.ipynb 1999991:1999991 640 f" in before
    site.back_up()
    site.on("files1", "rm", "-r", "/srv/classroom/homes/ana@uni.example")
    assert _state(site) != before

    restore = ["--tags=files", "-e", "restore_path=homes/ana@uni.example"]
    site.play("restore.yml", *restore)
    assert _state(site) == before
    with pytest.raises(CommandError):
        site.on("files1", "ls", "/srv/classroom/homes/ana@uni.example/.cache")

    with pytest.raises(CommandError, match="restore_over=true"):
        site.play("restore.yml", *restore)


def test_nothing_is_restored_outside_of_the_classrooms_files(site: AnsibleSite) -> None:
    """Such a path is refused with a line that says what to write."""
    with pytest.raises(CommandError, match=r"restore_path=homes/ana"):
        site.play("restore.yml", "--tags=files", "-e", "restore_path=homes/../../etc")


def _users(site: AnsibleSite) -> list[str]:
    query = "--command=SELECT name FROM users ORDER BY name"
    words = ("psql", "--no-align", "--tuples-only", "--dbname=hub", query)
    return site.on("hub1", "classroom-backup", "database", *words).splitlines()


def test_a_database_comes_back(site: AnsibleSite) -> None:
    """The hub knows again whom it knew when the backup was made; servers ran on meanwhile."""
    server = site.start("ada")
    site.add("zoe")
    before = _users(site)
    assert "zoe" in before
    site.back_up()
    site.ask("DELETE", "/users/zoe")
    assert "zoe" not in _users(site)
    site.play("restore.yml", "--tags=databases", "-e", "restore_databases=hub,stats")
    assert _users(site) == before
    until("the hub", site.serves, seconds=180)
    assert json.loads(site.ask("GET", "/users/zoe"))["name"] == "zoe"
    assert site.is_ready("ada")
    assert site.container("ada") == server


def test_a_new_version_is_rolled_out_and_back(site: AnsibleSite) -> None:
    """Of hub and services; a server runs on with its image, and only the next has the new one."""
    server = site.start("ada")
    site.release("0.2.0")
    site.play("upgrade.yml", "-e", "classroom_version=0.2.0")
    assert site.versions() == {"0.2.0"}
    assert "classroom-singleuser:0.2.0" in site.start("bob")
    assert site.is_ready("ada")
    assert site.container("ada") == server

    assert f"{VERSION} runs" in site.play("rollback.yml")
    assert site.versions() == {VERSION}
    assert site.serves()
    assert site.is_ready("ada")
    assert site.container("ada") == server


def test_a_version_that_does_not_come_up_is_taken_back(site: AnsibleSite) -> None:
    """All of it, though only the hub was bad; the play fails and says why and what runs."""
    server = site.start("ada")
    site.release("0.3.0", hub='CMD ["false"]')
    with pytest.raises(CommandError) as refused:
        site.play("upgrade.yml", "-e", "classroom_version=0.3.0")
    said = " ".join(str(refused.value).split())
    reason = f"Version 0.3.0 did not come up, so {VERSION} runs again (classroom_hub was taken back"
    assert reason in said
    assert site.versions() == {VERSION}
    assert site.serves()
    assert site.is_ready("ada")
    assert site.container("ada") == server


def test_a_version_that_nobody_pushed_is_not_rolled_out(site: AnsibleSite) -> None:
    """It ends where the images are fetched, before anything is replaced."""
    with pytest.raises(CommandError, match=r"classroom-singleuser:0\.9\.9\s+not found"):
        site.play("upgrade.yml", "-e", "classroom_version=0.9.9")
    assert site.versions() == {VERSION}


def test_without_a_registry_the_images_come_out_of_a_file(site: AnsibleSite) -> None:
    """On every machine that runs some; a second time nothing is done."""
    image = "classroom-singleuser:0.5.0"
    settings = {
        "classroom_registry": "",
        "classroom_version": "0.5.0",
        "classroom_images_archive": str(site.archive(image)),
    }
    words = ["--tags=images", "-e", json.dumps(settings)]
    site.play("site.yml", *words)
    for name in ("hub1", "worker1"):
        assert site.on(name, "docker", "images", "-q", image)
    again = site.play("site.yml", *words)
    assert set(changes(again).values()) == {0}, again


def test_the_backup_runs_every_hour(site: AnsibleSite) -> None:
    """The timers wait for it, and the repository is whole."""
    for name in ("hub1", "files1"):
        shown = site.on(name, "systemctl", "show", "classroom-backup.timer")
        assert "ActiveState=active" in shown
        assert f"OnCalendar={site.calendar}" in shown
    defaults = (ANSIBLE / "roles" / "backup" / "defaults" / "main.yml").read_text("utf-8")
    assert "backup_calendar: hourly" in defaults
    site.on("files1", "systemctl", "start", "classroom-backup-check.service")


def test_without_its_password_a_backup_says_nothing(site: AnsibleSite) -> None:
    """The repository is encrypted, and its password is root's."""
    said = site.on("files1", "stat", "-c", "%a %U", "/etc/classroom-backup/password")
    assert said == "600 root\n"
    with pytest.raises(CommandError, match="wrong password"):
        site.on(
            "files1",
            *("sh", "-c", "echo no >/tmp/no; restic -p /tmp/no -r $0 snapshots"),
            "/var/backups/classroom/restic",
        )
