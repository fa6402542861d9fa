"""What an NFS server with our exports lets machines do: a real nfs-ganesha and real NFS clients.

Each machine is a container with an address of its own and, like a machine, without the right to
ports below 1024 for anybody but root. No kernel module is needed: the clients are libnfs's.
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
    """An NFS server and the machines around it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def serve(
        self, name: str = "classroom-nfs", address: str = SERVER, edit: str = "", spoil: str = ""
    ) -> None:
        """Start a server with two homes.

        ``edit`` is a sed command on its configuration, ``spoil`` one of the shell on its files:
        before the start, as the server keeps in mind what it has seen of them.
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
        # A volume: the overlay of a container has no handles of files to give.
        words += ["-v", "/srv/classroom", "-e", "LEASE_SECONDS=2"]
        words += ["-e", f"MANAGERS={MANAGER}", "-e", f"WORKERS={WORKER},10.78.9.12"]
        self.engine.docker(*words, IMAGE, "sh", "-c", start)

        def answers() -> bool:
            with suppress(CommandError):
                return "ada" in self.run(WORKER, "nfs-ls", url("", uid=ADA, server=address))
            return False

        until(f"the NFS server {name}", answers)

    def run(self, machine: str, *command: str, user: str = "root") -> str:
        """What a command prints on the machine of that address. :raises CommandError: it failed"""
        words = ["run", "--rm", "--network", NETWORK, "--ip", machine, "--user", user]
        words += ["--sysctl", "net.ipv4.ip_unprivileged_port_start=1024"]
        # libnfs calls itself by time and process, and all are the first in their containers.
        words += ["--pid", "host"]
        return self.engine.docker(*words, IMAGE, *command)

    def check(self, machine: str, *words: str) -> str:
        """What check_exports.py prints, whatever its exit code."""
        return self.run(machine, "sh", "-c", f"check_exports.py {' '.join(words)} 2>&1 || true")


def url(inside: str, *, uid: int, server: str = SERVER, export: str = "homes") -> str:
    """Something in an export, asked for in the name of a uid."""
    path = f"/srv/classroom/{export}/{inside}".rstrip("/")
    return f"nfs://{server}{path}?version=4&uid={uid}&gid={uid}"


@pytest.fixture(scope="module")
def machines(engine: Engine) -> Iterator[Machines]:
    """A server with our exports, and the network around it."""
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


def test_a_home_is_its_owners_alone(machines: Machines) -> None:
    """From a worker, a student's uid reads and writes its own home, and no other's."""
    assert machines.run(WORKER, "nfs-cat", url("ada/notes", uid=ADA)) == "of ada\n"
    machines.run(WORKER, "nfs-cp", "/etc/hostname", url("ada/more", uid=ADA))
    assert "more" in machines.run(WORKER, "nfs-ls", url("ada", uid=ADA))
    with pytest.raises(CommandError, match="NFS4ERR_ACCESS"):
        machines.run(WORKER, "nfs-ls", url("ada", uid=BOB))
    with pytest.raises(CommandError):
        machines.run(WORKER, "nfs-cat", url("ada/notes", uid=BOB))


def test_root_of_a_worker_is_nobody(machines: Machines) -> None:
    """Whoever breaks out of a container on a worker has not everybody's homes."""
    with pytest.raises(CommandError, match="NFS4ERR_ACCESS"):
        machines.run(WORKER, "nfs-ls", url("ada", uid=0))
    with pytest.raises(CommandError):
        machines.run(WORKER, "nfs-cp", "/etc/hostname", url("root", uid=0))
    machines.run(WORKER, "nfs-cp", "/etc/hostname", url("root", uid=0, export="exchange"))
    listed = machines.run(WORKER, "nfs-ls", url("", uid=ADA, export="exchange"))
    owner = next(line.split()[2] for line in listed.splitlines() if line.endswith(" root"))
    assert owner == "65534"


def test_root_of_the_manager_makes_homes(machines: Machines) -> None:
    """The hub is there; it needs to make homes and give them away."""
    assert "notes" in machines.run(MANAGER, "nfs-ls", url("ada", uid=0))
    machines.run(MANAGER, "nfs-cp", "/etc/hostname", url(".classroom-check", uid=0))


def test_workers_only_read_course_material(machines: Machines) -> None:
    """The manager writes it; a worker's student does not, whoever it claims to be."""
    machines.run(MANAGER, "nfs-cp", "/etc/hostname", url("sheet", uid=0, export="courses"))
    assert "sheet" in machines.run(WORKER, "nfs-ls", url("", uid=ADA, export="courses"))
    with pytest.raises(CommandError, match=r"NFS4ERR_ROFS|Failed to open"):
        machines.run(WORKER, "nfs-cp", "/etc/hostname", url("mine", uid=ADA, export="courses"))


def test_a_machine_that_is_not_named_gets_nothing(machines: Machines) -> None:
    with pytest.raises(CommandError, match="Failed to mount"):
        machines.run(STRANGER, "nfs-ls", url("ada", uid=ADA))


def test_a_students_program_asks_in_nobodys_name(machines: Machines) -> None:
    """Without root's ports the server does not believe who asks, be it the truth."""
    for uid in (ADA, BOB):
        with pytest.raises(CommandError, match="Failed to mount"):
            machines.run(WORKER, "nfs-ls", url("ada", uid=uid), user=str(BOB))


def test_the_check_finds_nothing_wrong_with_our_exports(machines: Machines) -> None:
    assert machines.check(WORKER, HOMES) == f"{HOMES}: all is well for a worker\n"
    assert machines.check(MANAGER, "--manager", HOMES) == f"{HOMES}: all is well for a manager\n"
    exchange = HOMES.replace("homes", "exchange")
    assert "all is well" in machines.check(WORKER, "--exchange", exchange)


def test_the_check_says_what_to_do_where_it_gets_no_answer(machines: Machines) -> None:
    away = machines.check(WORKER, "10.78.9.200:/srv/classroom/homes")
    assert away.startswith("The NFS server 10.78.9.200 does not answer at port 2049 (")
    assert "systemctl status nfs-server" in away
    unnamed = machines.check(STRANGER, HOMES)
    assert "/etc/exports.d/classroom.exports" in unnamed
    assert "run: exportfs -ra" in unnamed
    assert "write ADDRESS:/PATH" in machines.check(WORKER, "homes")
    assert all(said.count("\n") == 1 for said in (away, unnamed))


def test_the_check_names_every_mistake(machines: Machines) -> None:
    """A server on which root stays root, any port is answered, and homes are open and not owned."""
    server = "10.78.9.3"
    machines.serve(
        "classroom-nfs-open",
        server,
        edit="s/Squash = root_squash/Squash = no_root_squash/; s/Port = true/Port = false/",
        spoil=f"cd homes; chmod 755 ada; mkdir -m 700 eve ann; chown {BOB} ann",
    )
    said = machines.check(WORKER, f"{server}:/srv/classroom/homes")
    assert "ada is open to others (drwxr-xr-x): chmod 700 it on the server" in said
    assert "eve belongs to uid 0, which is no student's" in said
    assert f"have the same uid {BOB}" in said
    assert "root of this machine owns everybody's files: write root_squash" in said
    assert 'in anybody\'s name: write "secure"' in said
    squashed = machines.check(WORKER, "--manager", HOMES)
    assert "but the hub must make homes: write no_root_squash" in squashed
