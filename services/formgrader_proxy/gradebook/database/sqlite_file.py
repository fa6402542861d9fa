"""A gradebook in SQLite: its file, its journal, and how long a connection waits for another.

With a write-ahead log, readers and a writer do not block each other. It needs memory that all
processes share (https://www.sqlite.org/wal.html), which network file systems do not have: there
the rollback journal stays. A connection waits either way, instead of failing at once.
"""

import os
import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url
from tornado.log import app_log

#: How long a connection waits for a lock, in milliseconds.
BUSY_MILLISECONDS = 30_000
#: How long a change of the journal waits. It is tried again at the next start.
_JOURNAL_SECONDS = 2.0
#: File systems of one machine. With any other, in doubt, the rollback journal stays.
LOCAL = frozenset(
    {
        *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "ramfs"),
        *("reiserfs", "tmpfs", "xfs", "zfs"),
    }
)
_MOUNTS = Path("/proc/self/mountinfo")


def wait_for_locks() -> None:
    """Let every SQLite connection of this process that SQLAlchemy opens wait for locks."""
    if not event.contains(Engine, "connect", _wait):
        event.listen(Engine, "connect", _wait)


def _wait(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}").close()


def sqlite_path(url: str) -> Path | None:
    """The file of this database; None if it is not a file of SQLite.

    :raises ArgumentError: the URL is invalid
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in {None, "", ":memory:"}:
        return None
    return Path(str(parsed.database))


def use_write_ahead_log(path: Path) -> bool:
    """Switch the database to the write-ahead log where that is safe; whether it is used."""
    if file_system(path) not in LOCAL:
        return False
    try:
        with closing(sqlite3.connect(path, timeout=_JOURNAL_SECONDS)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.Error as error:
        app_log.warning("The gradebook keeps its rollback journal for now: %s", error)
        return False
    return str(mode) == "wal"


def file_system(path: Path) -> str:
    """The type of the file system that contains this file; empty if it is not known."""
    try:
        return _type_at(os.path.realpath(path), _MOUNTS.read_text("utf-8", "surrogateescape"))
    except OSError:
        return ""


def _type_at(path: str, mountinfo: str) -> str:
    """The type of the mount below which a path is, from the text of proc_pid_mountinfo(5)."""
    found, longest = "", -1
    for place, kind in _mounts(mountinfo.splitlines()):
        below = place if place.endswith("/") else f"{place}/"
        if (path == place or path.startswith(below)) and len(place) >= longest:
            found, longest = kind, len(place)  # of several at one place, the last is on top
    return found


def _mounts(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        head, _, tail = line.partition(" - ")
        fields, kinds = head.split(), tail.split()
        if len(fields) > 4 and kinds:
            place = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4])
            yield place, kinds[0]
