"""Measuring and cleaning a submission's folder."""

import os
import socket
from pathlib import Path

import pytest

from services.formgrader_proxy.sandbox.supervisor import disk


def test_files_and_folders_are_counted(tmp_path: Path) -> None:
    """Bytes of files, and the number of files and folders."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(bytes(5000))
    (tmp_path / "link").symlink_to("/")
    found = disk.measure(str(tmp_path), 100)
    assert found.files == 4
    assert set(found.sizes) == {"a/one", "link"}
    assert found.disk >= 5000
    assert not found.unreadable


def test_counting_stops(tmp_path: Path) -> None:
    """A folder with more files than are allowed is not read to its end."""
    for number in range(50):
        (tmp_path / str(number)).touch()
    assert disk.measure(str(tmp_path), 10).files == 11


def test_deep_folders_are_noticed(tmp_path: Path) -> None:
    """Deeper than any program expects."""
    (tmp_path / "/".join("d" * (disk.MOST_DEPTH + 2))).mkdir(parents=True)
    assert disk.measure(str(tmp_path), 1000).unreadable


def long_path(folder: Path) -> None:
    """A file whose path is longer than the system accepts, in few folders."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 255, dir_fd=here)
        inner = os.open("d" * 255, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("large", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def test_folders_with_a_long_path_are_noticed_and_removed(tmp_path: Path) -> None:
    """What is in them cannot be measured by its path."""
    long_path(tmp_path)
    assert disk.measure(str(tmp_path), 1000).unreadable
    assert disk.sweep(str(tmp_path)) != []
    assert not disk.measure(str(tmp_path), 1000).unreadable


def test_nobody_else_can_change_the_files_later(tmp_path: Path) -> None:
    """The code may have opened them to every account of the machine."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    for path in (tmp_path, tmp_path / "folder", tmp_path / "folder" / "file"):
        path.chmod(0o777)
    disk.sweep(str(tmp_path))
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path, *tmp_path.rglob("*"))}
    assert modes == {0o755}


def test_a_large_sparse_file_counts(tmp_path: Path) -> None:
    """A later copy would fill the holes."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**30)
    assert disk.measure(str(tmp_path), 10).disk == 2**30


def test_only_ordinary_files_stay(tmp_path: Path) -> None:
    """What a later step could follow, execute or fail on is removed."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept.txt").write_text("kept")
    (tmp_path / "symlink").symlink_to("/etc/passwd")
    (tmp_path / "folder" / "up").symlink_to("..")
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
    (tmp_path / "new\nline").touch()
    (tmp_path / os.fsdecode(b"\xff")).touch()
    (tmp_path / "setuid").touch()
    (tmp_path / "setuid").chmod(0o6755)
    (tmp_path / "closed").mkdir(0)
    removed = disk.sweep(str(tmp_path))
    assert sorted(removed) == sorted(
        ["symlink", "folder/up", "fifo", "socket", "new\nline", os.fsdecode(b"\xff")]
    )
    assert (tmp_path / "folder" / "kept.txt").read_text() == "kept"
    assert (tmp_path / "setuid").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "closed").stat().st_mode & 0o777 == 0o700


def test_the_target_of_a_symlink_stays(tmp_path: Path) -> None:
    """Neither removing nor changing modes follows it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch(mode=0o444)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    disk.sweep(str(inside))
    assert (outside / "file").stat().st_mode & 0o777 == 0o444


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change owners")
def test_another_account_gets_the_folder_and_it_comes_back(tmp_path: Path) -> None:
    """While the code runs it is the account's, afterwards it is as before."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    disk.give(str(tmp_path), 60001)
    assert (tmp_path / "folder" / "file").stat().st_uid == 60001
    disk.sweep(str(tmp_path), (0, 0))
    assert {path.stat().st_uid for path in (tmp_path, *tmp_path.rglob("*"))} == {0}


def test_new_and_larger_files_are_undone(tmp_path: Path) -> None:
    """After the limit for files was exceeded, the folder is as before."""
    (tmp_path / "data.csv").write_text("released")
    (tmp_path / "grown").write_text("small")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    before = disk.measure(str(tmp_path), 100).sizes
    (tmp_path / "grown").write_bytes(bytes(100_000))
    (tmp_path / "folder" / "new").touch()
    (tmp_path / "new" / "deep").mkdir(parents=True)
    assert sorted(disk.undo(str(tmp_path), before)) == ["folder/new", "grown", "new"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data.csv", "folder", "old"]


def test_a_folder_deeper_than_a_path_is_removed(tmp_path: Path) -> None:
    """Its path is longer than the system accepts, and parts of it have no permissions."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("folder", dir_fd=here)
        inner = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.fchmod(here, 0)
    os.close(here)
    disk.remove(str(tmp_path / "folder"))
    assert os.listdir(tmp_path) == []
