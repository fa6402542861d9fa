"""Which files of a submission are refused."""

import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from services.formgrader_proxy.autograding.files.submissions import (
    MOST_PROBLEMS,
    Bounds,
    problems,
    shown,
)

BOUNDS = Bounds(files=20, total_bytes=1000, notebook_bytes=500, depth=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An honest submission."""
    folder = tmp_path / "eve" / "ps1"
    (folder / "data").mkdir(parents=True)
    (folder / "sums.ipynb").write_text("{}")
    (folder / "data" / "Übung 1 (neu), it's fine & good.csv").write_text("1")
    return folder


def test_an_honest_submission(folder: Path) -> None:
    """Folders, spaces and letters of any script are accepted."""
    assert problems(folder, BOUNDS) == []


def bind(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "a symbolic link"),
        (lambda path: path.symlink_to("nowhere"), "a symbolic link"),
        (lambda path: path.symlink_to("/etc"), "a symbolic link"),
        (os.mkfifo, "a named pipe"),
        (bind, "a socket"),
        (lambda path: (path.touch(), path.chmod(0o4755)), "set-user-ID"),
        (lambda path: path.write_bytes(bytes(1001)), "larger than"),
    ],
    ids=["link", "dangling", "link-to-folder", "fifo", "socket", "setuid", "large"],
)
@pytest.mark.parametrize("inside", ["", "data"])
def test_a_file_that_is_refused(
    folder: Path, make: Callable[[Path], object], expected: str, inside: str
) -> None:
    """The reason names the file."""
    make(folder / inside / "odd")
    (problem,) = problems(folder, BOUNDS)
    assert expected in problem
    assert "odd" in problem or "total" in problem


@pytest.mark.parametrize("part", ["eve", "eve/ps1"])
def test_a_folder_that_is_a_link(folder: Path, part: str) -> None:
    """A student's folder, or one for an assignment."""
    path = folder.parent.parent / part
    path.rename(path.parent / "elsewhere")
    path.symlink_to("elsewhere")
    (problem,) = problems(folder, BOUNDS)
    assert "is a symbolic link" in problem


def test_too_many_files(folder: Path) -> None:
    """Counting stops at the limit."""
    for number in range(30):
        (folder / f"f{number}").touch()
    assert problems(folder, BOUNDS) == ["It contains more than 20 files."]


def test_too_deep(folder: Path) -> None:
    """A folder below the limit is not opened."""
    (folder / "a" / "b" / "c" / "d").mkdir(parents=True)
    (problem,) = problems(folder, BOUNDS)
    assert problem == 'The folder "a/b/c/d" is nested too deeply (limit: 3).'


def test_a_large_notebook(folder: Path) -> None:
    """It would be read into memory."""
    (folder / "sums.ipynb").write_bytes(bytes(501))
    (problem,) = problems(folder, BOUNDS)
    assert problem.startswith('"sums.ipynb" is larger than')


def test_a_folder_named_like_a_notebook(folder: Path) -> None:
    """nbgrader would try to open it."""
    (folder / "more.ipynb").mkdir()
    assert problems(folder, BOUNDS) == ['"more.ipynb" is a folder, not a notebook.']


@pytest.mark.parametrize(
    "name", [b"a\nb", b"\x1b[31mred", b"\xff\xfe", "a\u202egpj.exe".encode(), b"\x7f"]
)
def test_unreadable_names(folder: Path, name: bytes) -> None:
    """Invalid UTF-8, control characters and directions; the reason contains none of them."""
    with open(os.path.join(os.fsencode(folder), name), "w"):
        pass
    (problem,) = problems(folder, BOUNDS)
    assert "invalid or invisible" in problem
    assert problem.isprintable()
    problem.encode()


def test_hard_links_count_in_the_exchange(folder: Path) -> None:
    """There a student may have given a name to a file of another user."""
    os.link(folder / "sums.ipynb", folder / "copy")
    assert problems(folder, BOUNDS) == []
    assert len(problems(folder, BOUNDS, links_count=True)) == 2


def test_many_problems_are_summarised(folder: Path) -> None:
    """The dialog stays readable."""
    for number in range(15):
        os.mkfifo(folder / f"f{number}")
    found = problems(folder, BOUNDS)
    assert len(found) == MOST_PROBLEMS + 1
    assert found[-1] == "There are more problems of this kind."


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    """It is refused, without a traceback."""
    (problem,) = problems(tmp_path / "x" / "missing", BOUNDS)
    assert problem.startswith("It cannot be read")


def test_long_names_are_shortened() -> None:
    """A name has up to 255 bytes, a path 4096."""
    assert len(shown("x" * 4000)) < 130
