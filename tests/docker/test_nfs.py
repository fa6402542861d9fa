"""Access to an NFS server with the project's exports: a real nfs-ganesha and real NFS clients.

Each machine is a container with its own address in which, as on a host, only root can use ports
below 1024. The clients use libnfs, so no kernel module is needed.
"""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.docker.engine import CommandError, Engine, until
from tests.paths import ROOT

NFS = ROOT / "docker" / "nfs"
IMAGE = "classroom-nfs:test"
NETWORK = "classroom-nfs"
SERVER, MANAGER, WORKER, STRANGER = (f"10.78.9.{last}" for last in (2, 10, 11, 13))
ADA, BOB = 1_000_000, 1_000_001
HOMES = f"{SERVER}:/srv/classroom/homes"


class Machines:
    """An NFS server and its clients."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def serve(
        self, name: str = "classroom-nfs", address: str = SERVER, edit: str = "", spoil: str = ""
    ) -> None:
        """Start a server with two homes.

        ``edit`` is a sed command for its configuration, and ``spoil`` a shell command for its
        files. Both run before the start, because the server caches file attributes.
        """
        start = f"""set -e; sed -i '{edit}' /etc/ganesha/classroom.conf
            cd /srv/classroom; mkdir -p homes exchange; chmod 1777 exchange
            for each in ada:{ADA} bob:{BOB}; do
              home=homes/${{each%:*}}; mkdir -m 700 "$home"; echo "of ${{each%:*}}" >"$home/notes"
              chown -R "${{each#*:}}:${{each#*:}}" "$home"
            done
            {spoil}
            exec serve"""
        words = ["run", "-d", "--name", name, "--network", NETWORK, "--ip", address]
        words += ["--cap-add", "DAC_READ_SEARCH", "--cap-add", "SYS_ADMIN"]
        # A volume, because the overlay file system of a container has no file handles.
        words += ["-v", "/srv/classroom", "-e", "LEASE_SECONDS=2"]
        words += ["-e", f"MANAGERS={MANAGER}", "-e", f"WORKERS={WORKER},10.78.9.12"]
        self.engine.docker(*words, IMAGE, "sh", "-c", start)

        def responds() -> bool:
            with suppress(CommandError):
                return "ada" in self.run(WORKER, "nfs-ls", url("", uid=ADA, server=address))
            return False

        until(f"the NFS server {name}", responds)

    def run(self, machine: str, *command: str, user: str = "root") -> str:
        """Run a command on a machine and return its output. :raises CommandError: it failed"""
        words = ["run", "--rm", "--network", NETWORK, "--ip", machine, "--user", user]
        words += ["--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"]
        # libnfs identifies clients by time and process ID, which would be 1 in every container.
        words += ["--pid", "host"]
        return self.engine.docker(*words, IMAGE, *command)

    def check(self, machine: str, *words: str) -> str:
        """Run check_exports.py and return its output, whatever its exit status."""
        return self.run(machine, "sh", "-c", f"check_exports.py {' '.join(words)} 2>&1 || true")


def url(inside: str, *, uid: int, server: str = SERVER, export: str = "homes") -> str:
    """Return the URL of a file in an export, accessed with a uid."""
    path = f"/srv/classroom/{export}/{inside}".rstrip("/")
    return f"nfs://{server}{path}?version=4&uid={uid}&gid={uid}"


@pytest.fixture(scope="module")
def machines(engine: Engine) -> Iterator[Machines]:
    """A server with the project's exports, and its network."""
    engine.build(NFS, IMAGE)
    engine.docker("network", "create", "--subnet", "10.78.9.0/24", NETWORK)
    try:
        made = Machines(engine)
        made.serve()
        yield made
    finally:
        if there := engine.docker("ps", "-aq", "--filter", f"network={NETWORK}").split():
            engine.docker("rm", "-fv", *there)
        engine.docker("network", "rm", NETWORK)


def test_a_home_is_private(machines: Machines) -> None:
    """From a worker, a student's uid can access its own home and no other."""
    assert machines.run(WORKER, "nfs-cat", url("ada/notes", uid=ADA)) == "of ada\n"
    machines.run(WORKER, "nfs-cp", "/etc/hostname", url("ada/more", uid=ADA))
    assert "more" in machines.run(WORKER, "nfs-ls", url("ada", uid=ADA))
    with pytest.raises(CommandError, match="NFS4ERR_ACCESS"):
        machines.run(WORKER, "nfs-ls", url("ada", uid=BOB))
    with pytest.raises(CommandError):
        machines.run(WORKER, "nfs-cat", url("ada/notes", uid=BOB))


def test_a_worker_has_no_root_access(machines: Machines) -> None:
    """A student who escapes from a container on a worker cannot access all homes."""
    with pytest.raises(CommandError, match="NFS4ERR_ACCESS"):
        machines.run(WORKER, "nfs-ls", url("ada", uid=0))
    with pytest.raises(CommandError):
        machines.run(WORKER, "nfs-cp", "/etc/hostname", url("root", uid=0))
    machines.run(WORKER, "nfs-cp", "/etc/hostname", url("root", uid=0, export="exchange"))
    listed = machines.run(WORKER, "nfs-ls", url("", uid=ADA, export="exchange"))
    owner = next(line.split()[2] for line in listed.splitlines() if line.endswith(" root"))
    assert owner == "65534"


def test_the_manager_has_root_access(machines: Machines) -> None:
    """The hub runs there and creates homes for other owners."""
    assert "notes" in machines.run(MANAGER, "nfs-ls", url("ada", uid=0))
    machines.run(MANAGER, "nfs-cp", "/etc/hostname", url(".classroom-check", uid=0))


def test_workers_only_read_course_material(machines: Machines) -> None:
    """The manager can write it; students on a worker cannot, with any uid."""
    machines.run(MANAGER, "nfs-cp", "/etc/hostname", url("sheet", uid=0, export="courses"))
    assert "sheet" in machines.run(WORKER, "nfs-ls", url("", uid=ADA, export="courses"))
    with pytest.raises(CommandError, match=r"NFS4ERR_ROFS|Failed to open"):
        machines.run(WORKER, "nfs-cp", "/etc/hostname", url("mine", uid=ADA, export="courses"))


def test_other_machines_have_no_access(machines: Machines) -> None:
    """The server rejects machines that are not in its exports."""
    with pytest.raises(CommandError, match="Failed to mount"):
        machines.run(STRANGER, "nfs-ls", url("ada", uid=ADA))


def test_unprivileged_programs_have_no_access(machines: Machines) -> None:
    """The server requires a privileged port, even for the program's own uid."""
    for uid in (ADA, BOB):
        with pytest.raises(CommandError, match="Failed to mount"):
            machines.run(WORKER, "nfs-ls", url("ada", uid=uid), user=str(BOB))


def test_the_check_finds_no_problems_with_these_exports(machines: Machines) -> None:
    """It passes on a worker, on the manager and for the exchange."""
    assert machines.check(WORKER, HOMES) == f"{HOMES}: no problems for a worker\n"
    assert machines.check(MANAGER, "--manager", HOMES) == f"{HOMES}: no problems for a manager\n"
    exchange = HOMES.replace("homes", "exchange")
    assert "no problems" in machines.check(WORKER, "--exchange", exchange)


def test_the_check_reports_a_server_that_does_not_respond(machines: Machines) -> None:
    """Each message says in one line what to do."""
    away = machines.check(WORKER, "10.78.9.200:/srv/classroom/homes")
    assert away.startswith("The NFS server 10.78.9.200 does not respond on port 2049 (")
    assert "systemctl status nfs-server" in away
    unnamed = machines.check(STRANGER, HOMES)
    assert "/etc/exports.d/classroom.exports" in unnamed
    assert "run exportfs -ra" in unnamed
    assert "use ADDRESS:/PATH" in machines.check(WORKER, "homes")
    assert all(output.count("\n") == 1 for output in (away, unnamed))


def test_the_check_reports_every_problem(machines: Machines) -> None:
    """The server grants root access, accepts any port, and has homes with wrong owners."""
    server = "10.78.9.3"
    machines.serve(
        "classroom-nfs-open",
        server,
        edit="s/Squash = root_squash/Squash = no_root_squash/; s/Port = true/Port = false/",
        spoil=f"cd homes; chmod 755 ada; mkdir -m 700 eve ann; chown {BOB} ann",
    )
    output = machines.check(WORKER, f"{server}:/srv/classroom/homes")
    assert "ada is accessible to other users (drwxr-xr-x): on the server, chmod 700 it" in output
    assert "eve belongs to uid 0, which is not a student's" in output
    assert f"have the same uid {BOB}" in output
    assert "root on this machine has access to all files: set root_squash" in output
    assert 'can use any uid: add "secure"' in output
    squashed = machines.check(WORKER, "--manager", HOMES)
    assert "but the hub must create homes: set no_root_squash" in squashed
