#!/usr/bin/env python3
"""Checks from this machine what an NFS server allows, and reports what to change.

    check_exports.py 192.0.2.20:/srv/classroom/homes              # on a worker
    check_exports.py --manager 192.0.2.20:/srv/classroom/homes    # on the manager

Run it as root. It needs Debian's libnfs-utils, but no mount. If there are no homes yet, it creates
an empty file ``.classroom-check`` to test root's access; the file is not removed. Exit status: 0 if
there are no problems, 1 if there are, 2 if the check is not possible.
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
#: Time limit of a request in seconds; a healthy server responds within milliseconds.
REQUEST_SECONDS = 15
#: The first uid that the hub assigns (classroom_hub.uids).
FIRST_UID = 1_000_000
NOBODY = 65534
PROBE = ".classroom-check"


class Entry(NamedTuple):
    """An entry in the output of ``nfs-ls``."""

    mode: str
    uid: int
    name: str


class CheckError(Exception):
    """The check is not possible; the message says what to do."""


class Export:
    """An export, accessed from this machine."""

    def __init__(self, address: str, path: str) -> None:
        self.address = address
        self.path = path.rstrip("/")

    def entries(self, folder: str = "", uid: int = 0, *, as_nobody: bool = False) -> list[Entry]:
        """List a folder as the user ``uid``.

        :raises PermissionError: the server refused it
        """
        return list(parse(self._run("nfs-ls", self._url(folder, uid), as_nobody=as_nobody)))

    def write(self, name: str, uid: int = 0) -> None:
        """Create an empty file. :raises PermissionError: the server refused it"""
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
                timeout=REQUEST_SECONDS,
                check=False,
                **identity,  # type: ignore[call-overload]
            )
        except subprocess.TimeoutExpired:
            raise CheckError(
                f"The NFS server {self.address} accepted a connection but did not respond for "
                f"{REQUEST_SECONDS} s; on the server, check systemctl status nfs-server"
            ) from None
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["no error message"]
            raise PermissionError(lines[-1])
        return str(done.stdout)


def parse(listing: str) -> Iterator[Entry]:
    """Parse the output of ``nfs-ls`` (mode, links, uid, gid, size, name)."""
    for line in listing.splitlines():
        mode, _, uid, _, _, name = line.split(maxsplit=5)
        yield Entry(mode, int(uid), name)


def check_homes(entries: Iterable[Entry]) -> Iterator[str]:
    """Report homes with a wrong owner or mode."""
    owners: dict[int, str] = {}
    for entry in entries:
        if entry.name.startswith("."):
            continue  # such as .skeleton, the contents of new homes
        if not entry.mode.startswith("d"):
            yield f"{entry.name} is not a folder; only homes belong here"
            continue
        if entry.mode[4:10] != "------":
            yield (
                f"{entry.name} is accessible to other users ({entry.mode}): on the server, chmod"
                " 700 it"
            )
        if entry.uid < FIRST_UID:
            yield (
                f"{entry.name} belongs to uid {entry.uid}, which is not a student's (from "
                f"{FIRST_UID}): on the server, chown it to the uid that the hub assigned"
            )
        elif entry.uid in owners:
            yield f"{entry.name} and {owners[entry.uid]} have the same uid {entry.uid}"
        owners.setdefault(entry.uid, entry.name)


def problems(export: Export, *, manager: bool, exchange: bool) -> Iterator[str]:
    """Yield all problems. :raises CheckError: the server does not respond or refuses access"""
    try:
        with socket.create_connection((export.address, PORT), REQUEST_SECONDS):
            pass
    except OSError as error:
        raise CheckError(
            f"The NFS server {export.address} does not respond on port {PORT} "
            f"({error.strerror or error}): check that it is running (systemctl status nfs-server) "
            "and that its firewall accepts this machine"
        ) from None
    try:
        entries = export.entries()
    except PermissionError as error:
        raise CheckError(
            f"The NFS server does not export {export.path} to this machine ({error}): add "
            "its address to /etc/exports.d/classroom.exports and run exportfs -ra"
        ) from None
    yield from check_homes(entries) if not exchange else check_exchange(export)
    squashed = not _root_is_root(export, entries)
    if manager and squashed:
        yield (
            "root on this machine has no root access, but the hub must create homes: set "
            "no_root_squash for the manager's address"
        )
    if not manager and not squashed:
        yield "root on this machine has access to all files: set root_squash for its address"
    try:
        export.entries(as_nobody=True)
    except PermissionError:
        return
    yield (
        "the server accepts unprivileged programs, so a student's program can use any uid: add "
        '"secure" (ganesha: PrivilegedPort) to the export; if it is there already, set '
        "net.ipv4.ip_unprivileged_port_start=1024 on this machine"
    )


def check_exchange(export: Export) -> Iterator[str]:
    """Report an exchange that students cannot use."""
    try:
        export.entries(uid=FIRST_UID)
    except PermissionError as error:
        yield f"students cannot read it ({error}): on the server, chmod 1777 it"


def _root_is_root(export: Export, entries: Iterable[Entry]) -> bool:
    """Whether root on this machine has root access: to a home, or to a new file without homes."""
    for entry in entries:
        if entry.mode == "drwx------" and entry.uid and entry.name.isalnum():
            try:
                export.entries(entry.name)
            except PermissionError:
                return False
            return True
    with suppress(PermissionError):  # the file may exist from an earlier check
        export.write(PROBE)
    return any(entry.name == PROBE and entry.uid == 0 for entry in export.entries())


def _export(text: str) -> Export:
    address, colon, path = text.rpartition(":/")
    if not (address and colon):
        raise CheckError(f"{text} is not an export; use ADDRESS:/PATH")
    if os.geteuid() != 0:
        raise CheckError("Only root can check the access of other users: run it with sudo")
    if not shutil.which("nfs-ls"):
        raise CheckError("nfs-ls is missing: apt-get install libnfs-utils")
    return Export(address, "/" + path)


def main() -> int:
    """Check the export and print the problems."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("export", help="the export, such as 192.0.2.20:/srv/classroom/homes")
    parser.add_argument(
        "--manager", action="store_true", help="this machine is the manager, not a worker"
    )
    parser.add_argument(
        "--exchange", action="store_true", help="the export is the exchange, not the homes"
    )
    given = parser.parse_args()
    try:
        found = list(
            problems(_export(given.export), manager=given.manager, exchange=given.exchange)
        )
    except CheckError as error:
        print(error, file=sys.stderr)
        return 2
    for problem in found:
        print(f"{given.export}: {problem}")
    if not found:
        print(f"{given.export}: no problems for a {'manager' if given.manager else 'worker'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
