"""A gradebook in SQLite: the journal, and waiting for locks."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.formgrader_proxy.gradebook.database import sqlite_file

MOUNTS = """\
21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
22 21 0:40 / /srv/courses rw,relatime shared:5 - nfs4 files:/courses rw,vers=4.2
23 22 8:2 / /srv/courses/local\\040disk rw - xfs /dev/sdb1 rw
24 21 0:41 / /srv/twice rw - ext4 /dev/sdc1 rw
25 21 0:42 / /srv/twice rw - cifs //files/twice rw
garbage
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/gradebook.db", "ext4"),
        ("/srv/courses/c1/gradebook.db", "nfs4"),
        ("/srv/courses", "nfs4"),
        ("/srv/courses2/gradebook.db", "ext4"),
        ("/srv/courses/local disk/gradebook.db", "xfs"),
        ("/srv/twice/gradebook.db", "cifs"),
    ],
)
def test_the_file_system_of_a_path(path: str, kind: str) -> None:
    """The longest mount, and the last one in a place."""
    assert sqlite_file._type_at(path, MOUNTS) == kind


def journal(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


@pytest.mark.parametrize(("kind", "mode"), [("ext4", "wal"), ("nfs4", "delete"), ("", "delete")])
def test_the_write_ahead_log_is_only_used_on_local_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str
) -> None:
    """It needs memory that all processes share."""
    path = tmp_path / "gradebook.db"
    monkeypatch.setattr(sqlite_file, "file_system", lambda _: kind)
    assert sqlite_file.use_write_ahead_log(path) == (mode == "wal")
    assert journal(path) == mode


def test_a_database_in_use_keeps_its_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is tried again at the next start."""
    monkeypatch.setattr(sqlite_file, "_JOURNAL_SECONDS", 0.01)
    monkeypatch.setattr(sqlite_file, "file_system", lambda _: "ext4")
    path = tmp_path / "gradebook.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN IMMEDIATE")
        assert not sqlite_file.use_write_ahead_log(path)
    assert sqlite_file.use_write_ahead_log(path)


def test_every_connection_waits(tmp_path: Path) -> None:
    """Also those that nbgrader opens for autograding; twice is the same as once."""
    sqlite_file.wait_for_locks()
    sqlite_file.wait_for_locks()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'gradebook.db'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////srv/gradebook.db", Path("/srv/gradebook.db")),
        ("sqlite://", None),
        ("postgresql+psycopg2://db/grades", None),
    ],
)
def test_the_file_of_a_url(url: str, path: Path | None) -> None:
    """Only SQLite has one."""
    assert sqlite_file.sqlite_path(url) == path
