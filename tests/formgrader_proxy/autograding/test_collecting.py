"""Copying submissions from the exchange."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.formgrader_proxy.autograding.files.collecting import copy_submission
from services.formgrader_proxy.autograding.files.submissions import Bounds

BOUNDS = Bounds(files=10, total_bytes=1000, depth=3)


def nothing(_folder: str, _names: list[str]) -> set[str]:
    return set()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "eve+ps1+2026"
    (source / "data").mkdir(parents=True)
    (source / "sums.ipynb").write_text("{}")
    (source / "data" / "x.csv").write_text("1")
    os.utime(source / "sums.ipynb", (1_700_000_000, 1_700_000_000))
    return source


def test_files_and_folders_are_copied(source: Path, tmp_path: Path) -> None:
    """With their time, and without what nbgrader ignores."""
    target = tmp_path / "copy"
    (source / "core").touch()
    copy_submission(source, target, lambda _, names: {"core"} & set(names), BOUNDS)
    assert (target / "data" / "x.csv").read_text() == "1"
    assert (target / "sums.ipynb").stat().st_mtime == 1_700_000_000
    assert not (target / "core").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/etc/passwd"),
        os.mkfifo,
        lambda path: os.link(path.parent / "sums.ipynb", path),
        lambda path: path.write_bytes(bytes(1001)),
        lambda path: (path / "a" / "b" / "c").mkdir(parents=True),
        lambda path: [path.with_name(f"f{number}").touch() for number in range(12)],
    ],
    ids=["link", "fifo", "hard-link", "large", "deep", "many"],
)
def test_a_submission_that_is_refused(
    source: Path, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    """Nothing of it stays behind."""
    make(source / "odd")
    with pytest.raises(OSError, match=r"."):
        copy_submission(source, tmp_path / "copy", nothing, BOUNDS)
    assert not (tmp_path / "copy").exists()


def test_a_folder_that_is_a_link(source: Path, tmp_path: Path) -> None:
    """The student's own folder could point to another student's."""
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(OSError, match="symbolic link"):
        copy_submission(tmp_path / "link", tmp_path / "copy", nothing, BOUNDS)


@pytest.mark.attack("files-replaced-while-collected")
@pytest.mark.parametrize("guarded", [False, True], ids=["nbgrader", "ours"])
def test_a_file_that_becomes_a_link_during_the_copy(
    source: Path, tmp_path: Path, guarded: bool
) -> None:
    """nbgrader copies the gradebook into the submission; we refuse the submission."""
    secret, target = tmp_path / "gradebook.db", tmp_path / "copy"
    secret.write_text("grades")

    def replace(_folder: str, _names: list[str]) -> set[str]:
        """Called after the folder was listed and looked at, and before a file is opened."""
        (source / "sums.ipynb").unlink(missing_ok=True)
        (source / "sums.ipynb").symlink_to(secret)
        return set()

    if guarded:
        with pytest.raises(OSError, match="not a regular file"):
            copy_submission(source, target, replace, BOUNDS)
        assert not target.exists()
    else:
        shutil.copytree(source, target, ignore=replace)
        assert (target / "sums.ipynb").read_text() == "grades"
