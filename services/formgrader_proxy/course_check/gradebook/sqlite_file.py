"""A gradebook in a SQLite file: everything that can be found out without writing."""

import errno
import fcntl
import os
import sqlite3
import struct
import time
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from services.formgrader_proxy.course_check.gradebook.revisions import Upgrade, examine_revision

_HEADER = b"SQLite format 3\0"
#: Bytes of the files that SQLite locks (sqlite.org/fileformat.html, section 2.1, and
#: sqlite.org/walformat.html, section 2.3.1): PENDING and RESERVED, and the write lock of a WAL.
_PENDING, _RESERVED, _WAL_WRITE = 0x40000000, 0x40000001, 120
#: Locks are normal while a gradebook is in use. Held for this many seconds, one is not.
LOCKED_SECONDS = 6.0
_LOOK_SECONDS = 0.2
_FLOCK = "hhqqi"


def examine_file(path: Path, account: str, upgrade: Upgrade) -> str | None:
    """What is wrong with the gradebook. A file that does not exist yet can be created."""
    try:
        problem = _access(path, account)
        if problem is not None or not path.exists():
            return problem
        return _content(path) or _lock(path) or _tables(path, upgrade)
    except PermissionError as error:
        return f"The account {account} has no access to {error.filename or path}."
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."


def _access(path: Path, account: str) -> str | None:
    folder = path.parent
    if not folder.is_dir():
        return f"The directory of the gradebook, {folder}, does not exist."
    if path.exists() and not path.is_file():
        return f"{path} is not a file, so nbgrader cannot use it as its gradebook."
    if path.exists() and not os.access(path, os.R_OK):
        return f"The account {account} may not read {path}."
    for place in (folder, path):
        if place.exists() and not os.access(place, os.W_OK):
            return (
                f"The gradebook is read-only: the account {account} may not write to {place}, or"
                " its file system is read-only or damaged."
            )
    return None


def _content(path: Path) -> str | None:
    if path.stat().st_size == 0:
        return (
            f"{path} is empty (0 bytes). {_restore(path)} If there have never been any"
            " grades, delete the file, and nbgrader creates a new gradebook."
        )
    with path.open("rb") as file:
        header = file.read(len(_HEADER))
    if header != _HEADER:
        return f"{path} is not a SQLite database. {_restore(path)}"
    return None


def _restore(path: Path) -> str:
    """What to do, also with a log that SQLite would apply to whatever file it finds next to it."""
    advice = "Restore it from a backup."
    left = [f"{path}{suffix}" for suffix in ("-wal", "-shm") if Path(f"{path}{suffix}").exists()]
    if left:
        advice += f" Remove {' and '.join(left)} first, or SQLite changes the restored file."
    return advice


def _lock(path: Path) -> str | None:
    """Whether another process has held a lock for writing all the time."""
    deadline = time.monotonic() + LOCKED_SECONDS
    while (holder := _holder(path)) is not None:
        if time.monotonic() >= deadline:
            return (
                f"{path} has been locked for {LOCKED_SECONDS:.0f} s by process {holder}, so no"
                " grade can be saved. End that process, or wait until it has finished."
            )
        time.sleep(_LOOK_SECONDS)
    return None


def _holder(path: Path) -> int | None:
    places = [(path, _PENDING, 2), (Path(f"{path}-shm"), _WAL_WRITE, 1)]
    for file, start, length in places:
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ENOENT:
                continue
            raise
        try:
            # As a shared lock, which needs no permission to write, conflicts with writers only.
            wanted = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, start, length, 0)
            kind, _, _, _, holder = struct.unpack(
                _FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted)
            )
        finally:
            os.close(descriptor)
        if kind != fcntl.F_UNLCK:
            return int(holder)
    return None


def _tables(path: Path, upgrade: Upgrade) -> str | None:
    try:
        with read_only(path).connect() as connection:
            return examine_revision(connection, str(path), upgrade)
    except DBAPIError as error:
        if _must_recover(path):
            return None  # SQLite repairs it when nbgrader opens it
        reason = str(error.orig)
        if "locked" in reason:
            return f"{path} is locked by another process: {reason}."
        return f"{path} cannot be read: {reason}. {_restore(path)}"


def _must_recover(path: Path) -> bool:
    """Whether a program ended while it wrote. Only a process that may write can recover."""
    return any(Path(f"{path}{suffix}").exists() for suffix in ("-journal", "-wal"))


def read_only(path: Path) -> Engine:
    """An engine that neither changes the file nor creates another one next to it."""
    # Reading a WAL would create its files. Without them nothing but the file itself counts.
    options = "mode=ro" if Path(f"{path}-wal").exists() or not _is_wal(path) else "immutable=1"
    uri = f"file:{quote(str(path.resolve()))}?{options}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=LOCKED_SECONDS)

    return create_engine("sqlite://", creator=connect, poolclass=NullPool)


def _is_wal(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(20)[18:20] == b"\2\2"
