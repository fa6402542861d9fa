"""The playbooks, run for real: from bare Debian machines to one classroom, and back from a loss."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.docker.engine import BASE, CommandError, Engine
from tests.docker.machines import ANSIBLE, Machines, changes

NAMES = ("hub1", "files1", "worker1")
#: As many as a class would: owner, mode, content, names that are hard for a shell.
HOMES = """set -e
cd /srv/classroom/homes
for each in ana@uni.example "b o" q?x=1; do
  mkdir -p -m 0700 "$each/work"; echo "of $each" >"$each/work/one.ipynb"
  chmod 0640 "$each/work/one.ipynb"; ln -sf work/one.ipynb "$each/link"
done
chown -hR 1000001:1000001 ana@uni.example
chown -hR 1000002:1000002 "b o"
mkdir -p ana@uni.example/.cache; echo big >ana@uni.example/.cache/big
"""


@pytest.fixture(scope="module")
def machines(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A hub, a machine of files and a worker, as Debian leaves them."""
    made = Machines(engine, tmp_path_factory.mktemp("machines"), NAMES)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def calendar() -> str:
    """Every hour, but half an hour from now: the only backups are those that tests ask for."""
    return f"*-*-* *:{(datetime.now(tz=UTC).minute + 30) % 60:02}:00"


@pytest.fixture(scope="module")
def inventory(machines: Machines, calendar: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The inventory of these machines, with the example's settings."""
    directory = tmp_path_factory.mktemp("inventory")
    hub, files, worker = ({name: {"cluster_address": machines.addresses[name]}} for name in NAMES)
    ours = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(machines.key),
        "ansible_ssh_common_args": machines.ssh_arguments,
        # A container's kernel has no NFS server, and none to mount from.
        "nfs_server_manage_service": False,
        "nfs_client_check": False,
        "classroom_files": "/srv/classroom",
        "classroom_public_ports": [80, 443],
        "classroom_database_service": "classroom_db",
        "classroom_registry": "",
        "classroom_images_archive": "",
        "classroom_version": "0.1.0",
        "backup_password": "for a test of the backup",
        "nfs_server_skeleton": str(ANSIBLE.parent / "etc.example" / "skeleton"),
        "backup_databases": False,
        "backup_calendar": calendar,
    }
    groups = {"hub": {"hosts": hub}, "nfs": {"hosts": files}, "workers": {"hosts": worker}}
    (directory / "hosts.json").write_text(json.dumps({"all": {"vars": ours, "children": groups}}))
    return directory / "hosts.json"


@pytest.fixture(scope="module")
def site(machines: Machines, inventory: Path) -> dict[str, int]:
    """The playbook has run once; what it changed."""
    return changes(machines.play("site.yml", inventory, "--skip-tags=images,stack"))


def test_a_second_run_changes_nothing(
    machines: Machines, inventory: Path, site: dict[str, int]
) -> None:
    """The first did, on every machine; the second finds all as it should be."""
    assert set(site) == set(NAMES)
    assert all(site.values())
    again = machines.play("site.yml", inventory, "--skip-tags=images,stack")
    assert changes(again) == dict.fromkeys(NAMES, 0), again


def test_the_machines_are_one_swarm(machines: Machines, site: dict[str, int]) -> None:
    """The hub leads, the worker works, the machine of files is no part of it."""
    nodes = machines.on("hub1", "docker", "node", "ls", "--format", "{{.Hostname}} {{.Status}}")
    assert sorted(nodes.splitlines()) == ["hub1 Ready", "worker1 Ready"]
    (node,) = json.loads(machines.on("hub1", "docker", "node", "inspect", "worker1"))
    assert node["Spec"]["Labels"] == {"classroom.hub": "false", "classroom.worker": "true"}
    with pytest.raises(CommandError):
        machines.on("files1", "docker", "version")


def test_root_is_nobody_on_the_workers_files(machines: Machines, site: dict[str, int]) -> None:
    """The hub makes homes as root; a worker's root has no say, and courses are read only."""
    lines = machines.on("files1", "exportfs", "-s").splitlines()
    exports = {tuple(line.split("(")[0].split()): line.partition("(")[2] for line in lines}
    worker, hub = machines.addresses["worker1"], machines.addresses["hub1"]
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


def test_no_container_speaks_nfs_in_a_workers_name(
    machines: Machines, site: dict[str, int]
) -> None:
    """The worker itself reaches the NFS port; a student's container there does not, nor SSH.

    From the worker's address and a port below 1024, which Docker lets everybody bind, the server
    would believe it to be any user.
    """
    files, outside = machines.addresses["files1"], machines.addresses["hub1"]
    machines.on("files1", "systemd-run", "--unit=port2049", "python3", "-m", "http.server", "2049")
    reached = ["python3", "-c", CONNECT, files, "2049", "700"]
    for _ in range(60):
        if "not" not in (said := machines.on("worker1", *reached)):
            break
    assert said == "reached\n"
    machines.give_images("worker1", BASE)
    student = ["docker", "run", "--rm", "--user=1000001", "--cap-drop=ALL", BASE]
    assert "not reached" in machines.on("worker1", *student, *reached)
    for address in (files, outside):
        ssh = ["python3", "-c", CONNECT, address, "22", "any"]
        assert machines.on("worker1", *ssh) == "reached\n"
        assert "not reached" in machines.on("worker1", *student, *ssh)
    # What anybody may reach, it may as well: nobody listens there, which is another answer.
    web = ["python3", "-c", CONNECT, outside, "80", "any"]
    assert "refused" in machines.on("worker1", *student, *web)


def test_strangers_reach_nothing_but_the_web(machines: Machines, site: dict[str, int]) -> None:
    """From the machine of files, which is none of the swarm's, its ports on the hub are shut."""
    hub = machines.addresses["hub1"]
    rules = machines.on("hub1", "nft", "list", "table", "inet", "classroom")
    assert "policy drop" in rules
    web = machines.on("files1", "python3", "-c", CONNECT, hub, "443", "any")
    assert "refused" in web
    # 2376 is listened on by nobody, and still there is no answer at all: it is filtered.
    assert "timed out" in machines.on("files1", "python3", "-c", CONNECT, hub, "2376", "any")


def _state(machines: Machines) -> str:
    """All homes: owners, modes, times of change, links and contents."""
    return machines.on(
        "files1",
        "sh",
        "-c",
        "cd /srv/classroom && find homes -path '*/.cache' -prune -o -mindepth 1 "
        "-printf '%p %U:%G %m %y %l %T@\\n' | sort; "
        "find homes -type f -not -path '*/.cache/*' -exec sha256sum {} + | sort",
    )


def test_a_home_that_was_deleted_comes_back(
    machines: Machines, inventory: Path, site: dict[str, int]
) -> None:
    """With owners, modes, times, links and contents; no caches, nothing overwritten."""
    machines.on("files1", "bash", "-c", HOMES)
    before = _state(machines)
    assert "homes/ana@uni.example/work/one.ipynb 1000001:1000001 640 f" in before
    machines.on("files1", "systemctl", "start", "classroom-backup.service")
    machines.on("files1", "rm", "-r", "/srv/classroom/homes/ana@uni.example")
    assert _state(machines) != before

    restore = ["--tags=files", "-e", "restore_path=homes/ana@uni.example"]
    machines.play("restore.yml", inventory, *restore)
    assert _state(machines) == before
    with pytest.raises(CommandError):
        machines.on("files1", "ls", "/srv/classroom/homes/ana@uni.example/.cache")

    with pytest.raises(CommandError, match="restore_over=true"):
        machines.play("restore.yml", inventory, *restore)


def test_nothing_is_restored_outside_of_the_classrooms_files(
    machines: Machines, inventory: Path
) -> None:
    """Such a path is refused with a line that says what to write."""
    path = "homes/../../etc"
    with pytest.raises(CommandError, match=r"restore_path=homes/ana"):
        machines.play("restore.yml", inventory, "--tags=files", "-e", f"restore_path={path}")


def test_the_backup_runs_every_hour(
    machines: Machines, calendar: str, site: dict[str, int]
) -> None:
    """The timer waits for the next hour, and the repository is whole."""
    shown = machines.on("files1", "systemctl", "show", "classroom-backup.timer")
    assert "ActiveState=active" in shown
    assert f"OnCalendar={calendar}" in shown
    defaults = (ANSIBLE / "roles" / "backup" / "defaults" / "main.yml").read_text("utf-8")
    assert "backup_calendar: hourly" in defaults
    machines.on("files1", "systemctl", "start", "classroom-backup-check.service")
    assert machines.on("files1", "systemctl", "is-enabled", "classroom-backup.timer")


def test_without_its_password_a_backup_says_nothing(
    machines: Machines, site: dict[str, int]
) -> None:
    """The repository is encrypted, and its password is root's."""
    said = machines.on("files1", "stat", "-c", "%a %U", "/etc/classroom-backup/password")
    assert said == "600 root\n"
    with pytest.raises(CommandError, match="wrong password"):
        machines.on(
            "files1",
            *("sh", "-c", "echo no >/tmp/no; restic -p /tmp/no -r $0 snapshots"),
            "/var/backups/classroom/restic",
        )
