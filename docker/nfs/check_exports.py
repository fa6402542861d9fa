#!/usr/bin/env python3
"""Ask an NFS server from this machine what it lets us do, and say what should be otherwise.

    check_exports.py 192.0.2.20:/srv/classroom/homes              # on a worker
    check_exports.py --manager 192.0.2.20:/srv/classroom/homes    # on the manager

Run as root; needs the programs of Debian's libnfs-utils, and nothing mounted. Where there is no
home yet, it tries what root may by an empty file ``.classroom-check``, which stays.
Exit code: 0 all is well, 1 something is not, 2 it could not be asked.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

PORT = 2049
#: Seconds for one request; a server that is well answers in a few milliseconds.
PATIENCE = 15
#: The first uid that the hub gives (classroom_hub.uids).
FIRST_UID = 1_000_000
NOBODY = 65534
PROBE = ".classroom-check"


class Entry(NamedTuple):
    """A line of ``nfs-ls``."""

    mode: str
    uid: int
    name: str


class CannotAsk(Exception):
    """The question cannot be put; the text says what to do."""


class Export:
    """An export, as programs of this machine reach it."""

    def __init__(self, address: str, path: str) -> None:
        self.address = address
        self.path = path.rstrip("/")

    def entries(self, folder: str = "", uid: int = 0, *, as_nobody: bool = False) -> list[Entry]:
        """What is in a folder, asked in the name of ``uid``.

        :raises PermissionError: it is refused
        """
        return list(parse(self._run("nfs-ls", self._url(folder, uid), as_nobody=as_nobody)))

    def write(self, name: str, uid: int = 0) -> None:
        """Make an empty file. :raises PermissionError: it is refused"""
        self._run("nfs-cp", "/dev/null", self._url(name, uid))

    def _url(self, inside: str, uid: int) -> str:
        path = f"{self.path}/{inside}".rstrip("/")
        return f"nfs://{self.address}{path}?version=4&uid={uid}&gid={uid}"

    def _run(self, *command: str, as_nobody: bool = False) -> str:
        identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if as_nobody else {}
        try:
            done = subprocess.run(  # noqa: S603
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=PATIENCE,
                check=False,
                **identity,  # type: ignore[call-overload]
            )
        except subprocess.TimeoutExpired:
            raise CannotAsk(
                f"The NFS server {self.address} took a connection and then said nothing for "
                f"{PATIENCE} s; on it, look at: systemctl status nfs-server"
            ) from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
            raise PermissionError(said[-1])
        return str(done.stdout)


def parse(listing: str) -> Iterator[Entry]:
    """The entries of a listing by ``nfs-ls`` (mode, links, uid, gid, size, name)."""
    for line in listing.splitlines():
        mode, _, uid, _, _, name = line.split(maxsplit=5)
        yield Entry(mode, int(uid), name)


def wrong_homes(entries: Iterable[Entry]) -> Iterator[str]:
    """What is wrong with who owns the homes and who may enter them."""
    owners: dict[int, str] = {}
    for entry in entries:
        if entry.name.startswith("."):
            continue  # .skeleton, what homes begin with, and the like
        if not entry.mode.startswith("d"):
            yield f"{entry.name} is no folder; homes are all that belongs here"
            continue
        if entry.mode[4:10] != "------":
            yield f"{entry.name} is open to others ({entry.mode}): chmod 700 it on the server"
        if entry.uid < FIRST_UID:
            yield (
                f"{entry.name} belongs to uid {entry.uid}, which is no student's (from "
                f"{FIRST_UID}): chown it on the server to the uid that the hub gave"
            )
        elif entry.uid in owners:
            yield f"{entry.name} and {owners[entry.uid]} have the same uid {entry.uid}"
        owners.setdefault(entry.uid, entry.name)


def problems(export: Export, *, manager: bool, exchange: bool) -> Iterator[str]:
    """Everything that is not as it should be. :raises CannotAsk: there is no answer"""
    try:
        with socket.create_connection((export.address, PORT), PATIENCE):
            pass
    except OSError as error:
        raise CannotAsk(
            f"The NFS server {export.address} does not answer at port {PORT} "
            f"({error.strerror or error}): is it on, does it run (systemctl status nfs-server), "
            "and does its firewall let this machine in?"
        ) from None
    try:
        entries = export.entries()
    except PermissionError as error:
        raise CannotAsk(
            f"The NFS server does not give {export.path} to this machine ({error}): put "
            "its address into /etc/exports.d/classroom.exports and run: exportfs -ra"
        ) from None
    yield from wrong_homes(entries) if not exchange else wrong_exchange(export)
    squashed = not _root_is_root(export, entries)
    if manager and squashed:
        yield (
            "root of this machine is nobody there, but the hub must make homes: write "
            "no_root_squash for the manager's address"
        )
    if not manager and not squashed:
        yield ("root of this machine owns everybody's files: write root_squash for its address")
    try:
        export.entries(as_nobody=True)
    except PermissionError:
        return
    yield (
        "programs without root's rights are answered, so a student's program can ask in "
        'anybody\'s name: write "secure" (ganesha: PrivilegedPort) into the export; if it is '
        "there, set net.ipv4.ip_unprivileged_port_start=1024 on this machine"
    )


def wrong_exchange(export: Export) -> Iterator[str]:
    """What keeps students out of the exchange, where everybody hands in."""
    try:
        export.entries(uid=FIRST_UID)
    except PermissionError as error:
        yield f"a student may not read it ({error}): chmod 1777 it on the server"


def _root_is_root(export: Export, entries: Iterable[Entry]) -> bool:
    """Whether root of this machine has root's power there: over a home that is another's, or,
    where there is none yet, over a file of its own."""
    for entry in entries:
        if entry.mode == "drwx------" and entry.uid and entry.name.isalnum():
            try:
                export.entries(entry.name)
            except PermissionError:
                return False
            return True
    with suppress(PermissionError):  # also when it is there from the last time
        export.write(PROBE)
    return any(entry.name == PROBE and entry.uid == 0 for entry in export.entries())


def _export(written: str) -> Export:
    address, colon, path = written.rpartition(":/")
    if not (address and colon):
        raise CannotAsk(f"{written} is no export; write ADDRESS:/PATH")
    if os.geteuid() != 0:
        raise CannotAsk("Only root can ask in the name of others: run it with sudo")
    if not shutil.which("nfs-ls"):
        raise CannotAsk("nfs-ls is missing: apt-get install libnfs-utils")
    return Export(address, "/" + path)


def main() -> int:
    """Ask and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("export", help="the export, such as 192.0.2.20:/srv/classroom/homes")
    parser.add_argument("--manager", action="store_true", help="this is the manager, not a worker")
    parser.add_argument("--exchange", action="store_true", help="it is the exchange, not the homes")
    given = parser.parse_args()
    try:
        found = list(
            problems(_export(given.export), manager=given.manager, exchange=given.exchange)
        )
    except CannotAsk as error:
        print(error, file=sys.stderr)
        return 2
    for problem in found:
        print(f"{given.export}: {problem}")
    if not found:
        print(f"{given.export}: all is well for a {'manager' if given.manager else 'worker'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
