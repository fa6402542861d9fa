"""The playbooks on real machines: installation, backup, restore, upgrade and rollback.

The machines share a folder instead of NFS, because a container's kernel has no NFS server: exports
are written and read, but nothing is mounted (see test_nfs.py). Everything else is realistic.
"""

import json
from collections.abc import Iterator

import pytest

from tests.docker.ansible.site import NAMES, VERSION, AnsibleSite
from tests.docker.engine import CommandError, Engine, until
from tests.docker.machines import ANSIBLE, changes


@pytest.fixture(scope="module")
def site(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnsibleSite]:
    """A hub, a file server and a worker, installed by site.yml on plain machines."""
    made = AnsibleSite(engine, tmp_path_factory.mktemp("site"))
    made.clear()  # left over from a run that was killed
    try:
        made.make()
        yield made
    finally:
        made.clear()


def test_the_hub_starts_servers(site: AnsibleSite) -> None:
    """A student's server runs on the worker, with a home of the student's own uid."""
    assert site.start("ada")
    owner = site.on("files1", "stat", "-c", "%u %a", "/srv/classroom/homes/ada")
    assert int(owner.split()[0]) >= 1_000_000
    assert owner.split()[1] == "700"
    assert site.on("files1", "cat", "/srv/classroom/homes/ada/WELCOME.txt")


def test_a_second_run_changes_nothing(site: AnsibleSite) -> None:
    """The first run changes every machine, and the second run none."""
    assert set(site.changed) == set(NAMES)
    assert all(site.changed.values())
    again = site.play("site.yml")
    assert changes(again) == dict.fromkeys(NAMES, 0), again


def test_hub_and_workers_form_a_swarm(site: AnsibleSite) -> None:
    """The hub is the manager; the file server is not part of the swarm."""
    nodes = site.on("hub1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    assert sorted(nodes.splitlines()) == ["hub1 Ready", "worker1 Ready"]
    (node,) = json.loads(site.on("hub1", "docker", "node", "inspect", "worker1"))
    assert node["Spec"]["Labels"] == {"classroom.hub": "false", "classroom.worker": "true"}
    with pytest.raises(CommandError):
        site.on("files1", "docker", "version")


def test_workers_have_no_root_access_to_files(site: AnsibleSite) -> None:
    """Only the hub has root access, and workers cannot write course material."""
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


def test_containers_cannot_reach_the_nfs_server(site: AnsibleSite) -> None:
    """A worker can reach the NFS and SSH ports, but a student's container on it cannot.

    With the worker's address and a source port below 1024, which Docker allows every container to
    use, the NFS server would accept any uid.
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
    # It can reach the public ports, like any client.
    web = ["python3", "-c", CONNECT, hub, "80", "any"]
    assert site.on("worker1", *student, *web) == "reached\n"


def test_other_machines_reach_only_the_public_ports(site: AnsibleSite) -> None:
    """The file server is not part of the swarm, and closed ports do not respond."""
    hub = site.addresses["hub1"]
    assert "policy drop" in site.on("hub1", "nft", "list", "table", "inet", "classroom")
    said = {
        port: site.on("files1", "python3", "-c", CONNECT, hub, port, "any").strip()
        for port in ("80", "443", "2376")
    }
    assert said["80"] == "reached"
    assert "refused" in said["443"]  # open, although no program listens in this test
    assert "timed out" in said["2376"]


#: Homes with names that need quoting, links, modes, and files that are excluded from the backup.
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
    """Return the owners, modes, modification times, links and contents of HOMES."""
    look = (
        "cd /srv/classroom/homes && "
        "find ana* b* q* -path '*/.cache' -prune -o -printf '%p %U:%G %m %y %l %T@\\n' | sort; "
        "find ana* b* q* -type f -not -path '*/.cache/*' -exec sha256sum {} + | sort"
    )
    return site.on("files1", "sh", "-c", look)


def test_a_deleted_home_is_restored(site: AnsibleSite) -> None:
    """Owners, modes, times, links and contents are restored; caches and existing files are not."""
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


def test_a_restore_path_outside_the_files_is_rejected(site: AnsibleSite) -> None:
    """The message shows a valid path."""
    with pytest.raises(CommandError, match=r"restore_path=homes/ana"):
        site.play("restore.yml", "--tags=files", "-e", "restore_path=homes/../../etc")


def _users(site: AnsibleSite) -> list[str]:
    query = "--command=SELECT name FROM users ORDER BY name"
    words = ("psql", "--no-align", "--tuples-only", "--dbname=hub", query)
    return site.on("hub1", "classroom-backup", "database", *words).splitlines()


def test_a_database_is_restored(site: AnsibleSite) -> None:
    """The hub has the users of the backup again, and servers keep running meanwhile."""
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


def test_an_upgrade_and_a_rollback(site: AnsibleSite) -> None:
    """Running servers keep their image; only new servers use the new one."""
    server = site.start("ada")
    site.release("0.2.0")
    site.play("upgrade.yml", "-e", "classroom_version=0.2.0")
    assert site.versions() == {"0.2.0"}
    assert "classroom-singleuser:0.2.0" in site.start("bob")
    assert site.is_ready("ada")
    assert site.container("ada") == server

    assert f"Version {VERSION} is running" in " ".join(site.play("rollback.yml").split())
    assert site.versions() == {VERSION}
    assert site.serves()
    assert site.is_ready("ada")
    assert site.container("ada") == server


def test_a_version_that_does_not_start_is_rolled_back(site: AnsibleSite) -> None:
    """All services are rolled back if the hub fails; the play fails and reports the reason."""
    server = site.start("ada")
    site.release("0.3.0", hub='CMD ["false"]')
    with pytest.raises(CommandError) as caught:
        site.play("upgrade.yml", "-e", "classroom_version=0.3.0")
    output = " ".join(str(caught.value).split())
    reason = (
        f"Version 0.3.0 did not start and was rolled back to {VERSION} (classroom_hub was rolled"
    )
    assert f"{reason} back" in output
    assert site.versions() == {VERSION}
    assert site.serves()
    assert site.is_ready("ada")
    assert site.container("ada") == server


def test_an_upgrade_without_its_images_fails_early(site: AnsibleSite) -> None:
    """It fails when images are pulled, before any service is replaced."""
    with pytest.raises(CommandError, match=r"classroom-singleuser:0\.9\.9\s+not found"):
        site.play("upgrade.yml", "-e", "classroom_version=0.9.9")
    assert site.versions() == {VERSION}


def test_images_can_be_loaded_from_a_file(site: AnsibleSite) -> None:
    """They are loaded on every machine of the swarm, and only once."""
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
    """The timer is active, and the repository passes its check."""
    for name in ("hub1", "files1"):
        shown = site.on(name, "systemctl", "show", "classroom-backup.timer")
        assert "ActiveState=active" in shown
        assert f"OnCalendar={site.calendar}" in shown
    defaults = (ANSIBLE / "roles" / "backup" / "defaults" / "main.yml").read_text("utf-8")
    assert "backup_calendar: hourly" in defaults
    site.on("files1", "systemctl", "start", "classroom-backup-check.service")


def test_a_backup_cannot_be_read_without_its_password(site: AnsibleSite) -> None:
    """The repository is encrypted, and only root can read the password."""
    owner = site.on("files1", "stat", "-c", "%a %U", "/etc/classroom-backup/password")
    assert owner == "600 root\n"
    with pytest.raises(CommandError, match="wrong password"):
        site.on(
            "files1",
            *("sh", "-c", "echo no >/tmp/no; restic -p /tmp/no -r $0 snapshots"),
            "/var/backups/classroom/restic",
        )
