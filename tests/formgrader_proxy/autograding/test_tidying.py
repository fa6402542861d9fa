"""Tidying a folder where a student's code was executed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.formgrader_proxy.autograding.files.tidying import keep_notebooks, tidy

#: Makes folders that are nested too deeply for a path, as code with os.chdir can.
DEEP = "import os\nfor _ in range({}): os.mkdir('d'); os.chdir('d')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ps1"
    folder.mkdir()
    (folder / "result.csv").write_text("1")
    return folder


def test_links_and_fifos_are_removed(folder: Path) -> None:
    """What they point to is unchanged, and regular files stay."""
    gradebook = folder.parent / "gradebook.db"
    gradebook.write_text("grades")
    gradebook.chmod(0o600)
    (folder / "sums.ipynb").symlink_to(gradebook)
    (folder / "up").symlink_to("..")
    (folder / "inner").mkdir()
    os.mkfifo(folder / "inner" / "timestamp.txt")
    assert sorted(tidy(folder)) == ["inner/timestamp.txt", "sums.ipynb", "up"]
    assert sorted(path.name for path in folder.rglob("*")) == ["inner", "result.csv"]
    assert (gradebook.read_text(), gradebook.stat().st_mode & 0o777) == ("grades", 0o600)


def test_what_stays_can_be_read_and_removed(folder: Path) -> None:
    """Neither closed folders nor set-user-ID remain."""
    (folder / "closed").mkdir()
    (folder / "closed" / "file").touch(0o000)
    (folder / "program").touch()
    (folder / "program").chmod(0o6755)
    (folder / "closed").chmod(0o000)
    folder.chmod(0o000)
    assert tidy(folder) == []
    assert folder.stat().st_mode & 0o700 == 0o700
    assert (folder / "closed").stat().st_mode & 0o777 == 0o700
    assert (folder / "closed" / "file").stat().st_mode & 0o7777 == 0o600
    assert (folder / "program").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("levels", [30, 3000])
def test_deep_folders_are_removed(folder: Path, levels: int) -> None:
    """However deep, and even if their path is longer than a path can be."""
    subprocess.run([sys.executable, "-c", DEEP.format(levels)], cwd=folder, check=True)
    assert tidy(folder, depth=5) == ["d/d/d/d/d/d"]
    assert len(list(folder.rglob("d"))) == 5


def test_a_link_instead_of_the_folder(folder: Path) -> None:
    """It is not followed."""
    link = folder.parent / "link"
    link.symlink_to(folder)
    (folder / "x").symlink_to("y")
    tidy(link)
    assert not (folder / "x").is_symlink()


def test_other_notebooks_are_restored(folder: Path) -> None:
    """Changed, deleted, or replaced by a folder."""
    before = dict.fromkeys(("same", "changed", "deleted", "replaced"), b"graded")
    (folder / "same").write_bytes(b"graded")
    (folder / "changed").write_bytes(b"nicer")
    (folder / "replaced").mkdir()
    assert keep_notebooks(folder, before) == ["changed", "deleted", "replaced"]
    assert {name: (folder / name).read_bytes() for name in before} == before
