"""Files in submissions that nbgrader must not follow, wait for, execute or serve."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.formgrader_proxy.sandbox.mechanisms import available
from tests.integration.autograding.conftest import settings
from tests.integration.autograding.formgrader import (
    Course,
    Formgrader,
    copy_of,
    formgrader,
    nbgrader,
)
from tests.integration.formgrader_proxy.course import ASSIGNMENT

SECRET = "the grades of all students"


@pytest.fixture
def bare(new_course: Path, tmp_path: Path) -> Course:
    """A course without any guard, for nbgrader's own commands."""
    course = Course(copy_of(new_course, tmp_path))
    (course.path / "secret.txt").write_text(SECRET)
    return course


@pytest.fixture(scope="module")
def served(new_course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formgrader]:
    """A formgrader that the service runs."""
    course = copy_of(new_course, tmp_path_factory.mktemp("files"))
    (course / "secret.txt").write_text(SECRET)
    with formgrader(course, settings()) as found:
        yield found


def link(folder: Path) -> None:
    (folder / "link.txt").symlink_to("../../../secret.txt")


def link_instead_of_the_notebook(folder: Path) -> None:
    (folder / "sums.ipynb").unlink()
    (folder / "sums.ipynb").symlink_to(f"../../ana/{ASSIGNMENT}/sums.ipynb")


def link_to_a_folder(folder: Path) -> None:
    (folder / "all").symlink_to("../..")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "data.csv")


def fifo_instead_of_the_notebook(folder: Path) -> None:
    (folder / "sums.ipynb").unlink()
    os.mkfifo(folder / "sums.ipynb")


def fifo_instead_of_the_time(folder: Path) -> None:
    (folder / "timestamp.txt").unlink()
    os.mkfifo(folder / "timestamp.txt")


def listening_socket(folder: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(f"/proc/self/fd/{os.open(folder, os.O_RDONLY)}/s")


def device(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make devices")
    os.mknod(folder / "zero", 0o666 | 0o020000, os.makedev(1, 5))


def link_instead_of_the_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(f"../ana/{ASSIGNMENT}")


def odd_name(folder: Path) -> None:
    (folder / "\x1b[2Jx\nSuccess").touch()


HOSTILE = [
    link,
    link_instead_of_the_notebook,
    link_to_a_folder,
    fifo,
    fifo_instead_of_the_notebook,
    fifo_instead_of_the_time,
    listening_socket,
    device,
    link_instead_of_the_folder,
    odd_name,
]


@pytest.mark.attack("files-link-to-the-gradebook")
def test_nbgrader_copies_what_a_link_points_to(bare: Course) -> None:
    """Without our guard, the content is in the autograded submission, which is served."""
    link(bare.submit("mallet"))
    nbgrader(bare, "autograde", ASSIGNMENT, "--student=mallet")
    assert (bare.autograded("mallet") / "link.txt").read_text() == SECRET


@pytest.mark.attack("files-link-to-the-gradebook", "files-that-are-not-regular")
@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_hostile_submission_is_refused(served: Formgrader, make: Callable[[Path], None]) -> None:
    """It is refused at once with an explanation, and the earlier result is kept."""
    course = served.course
    course.submit("mallet")
    assert served.autograde("mallet")["success"]
    before = sorted(course.autograded("mallet").iterdir())
    make(course.submitted("mallet"))
    started = time.monotonic()
    status, body = served.request("GET", f"formgrader/api/submissions/{ASSIGNMENT}")
    assert status == 200, body
    result = served.autograde("mallet")
    assert time.monotonic() - started < 20
    assert not result["success"]
    assert result["error"].startswith(f"mallet/{ASSIGNMENT}: ")
    assert "Traceback" not in result["error"]
    assert result["error"].isprintable()
    assert sorted(course.autograded("mallet").iterdir()) == before
    course.submitted("mallet").unlink() if course.submitted("mallet").is_symlink() else None
    assert served.autograde("ana")["success"]
    scores = course.scores()
    assert (scores["ana"], scores["mallory"]) == (3, 3)


@pytest.mark.attack("files-link-served")
@pytest.mark.parametrize("make", [link, link_to_a_folder, fifo, device], ids=lambda m: m.__name__)
def test_only_regular_files_are_served(served: Formgrader, make: Callable[[Path], None]) -> None:
    """Even if an autograded folder contains something else, for example from earlier."""
    folder = served.course.autograded("ana")
    folder.chmod(0o755)
    for name in ("link.txt", "all", "data.csv", "zero"):
        (folder / name).unlink(missing_ok=True)
    make(folder)
    (folder / "plot.txt").write_text("0123456789")
    page = f"formgrader/submissions/{served.notebook_id('ana')}/"
    for name in ("link.txt", "all/secret.txt", "data.csv", "zero", "all/ana", ".", "missing"):
        status, body = served.request("GET", page + name)
        assert status in {403, 404}, name
        assert SECRET.encode() not in body
    assert served.request("GET", page + "plot.txt") == (200, b"0123456789")
    assert served.request("GET", page + "plot.txt", Range="bytes=2-4") == (206, b"234")
    assert served.request("GET", page + "next")[0] == 200


@pytest.mark.attack("files-link-copied-to-feedback")
@pytest.mark.parametrize("guarded", [False, True], ids=["nbgrader", "ours"])
def test_feedback_copies_no_link(bare: Course, guarded: bool) -> None:
    """nbgrader copies what a link points to into the feedback; we refuse."""
    folder = bare.autograded("ana")
    folder.chmod(0o755)
    link(folder)
    if not guarded:
        nbgrader(bare, "generate_feedback", ASSIGNMENT, "--student=ana")
        assert (bare.path / "feedback" / "ana" / ASSIGNMENT / "link.txt").read_text() == SECRET
        return
    with formgrader(bare.path, settings()) as running:
        result = running.action(f"assignment/{ASSIGNMENT}/ana/generate_feedback")
        assert not result["success"]
        assert '"link.txt" is a symbolic link' in result["error"]
        assert not (bare.path / "feedback" / "ana").exists()
        assert running.action(f"assignment/{ASSIGNMENT}/mallory/generate_feedback")["success"]


LEAVES = """
import os, subprocess
def attempt(do, *words):
    try:
        do(*words)
    except OSError:
        pass
attempt(os.remove, "sums.ipynb")
attempt(os.symlink, "../../../gradebook.db", "sums.ipynb")
attempt(os.symlink, "../../../secret.txt", "link.txt")
attempt(os.remove, "timestamp.txt")
attempt(os.mkfifo, "timestamp.txt")
attempt(os.mkdir, "closed")
attempt(os.chmod, "closed", 0)
open("program", "w").close()
attempt(os.chmod, "program", 0o6755)
for _ in range(60):
    os.mkdir("d"); os.chdir("d")
"""


@pytest.mark.attack("files-left-for-a-later-step")
@pytest.mark.parametrize("sandbox", ["auto", "none"])
def test_what_the_code_leaves(new_course: Path, tmp_path: Path, sandbox: str) -> None:
    """nbgrader writes the notebook to a regular file, and can autograde again."""
    if sandbox == "auto" and not available().best:
        pytest.skip(f"no sandbox works here: {available().reasons}")
    with formgrader(copy_of(new_course, tmp_path), settings(sandbox=sandbox)) as running:
        course = running.course
        (course.path / "secret.txt").write_text(SECRET)
        for _ in range(2):
            course.submit("mallet", LEAVES)
            result = running.autograde("mallet")
            assert result["success"], result
            assert "which was removed" in result["log"]
            assert len(course.notebook("mallet").cells) == 5
            scores = course.scores()
            assert scores.pop("mallet") in {0, 3}, result["log"]  # stopped, or finished
            assert scores == {"ana": 3, "mallory": 3}
            for path in course.autograded("mallet").rglob("*"):
                assert not path.is_symlink()
                assert path.is_dir() or path.is_file()
                assert not path.stat().st_mode & 0o6000
        assert running.request("GET", "formgrader/gradebook")[0] == 200


RUNS = "import pathlib; pathlib.Path({mark!r}).write_text('ran')\n"
EXECUTED_BY_JUPYTER = (
    "nbgrader_config.py",
    "jupyter_config.py",
    "jupyter_server_config.py",
    "jupyter_nbconvert_config.py",
    "sitecustomize.py",
    "usercustomize.py",
    "ipython_config.py",
    ".ipython/profile_default/ipython_config.py",
    ".ipython/profile_default/startup/00.py",
    ".jupyter/jupyter_config.py",
    ".jupyter/nbgrader_config.py",
    "nbgrader/__init__.py",
    "alembic/__init__.py",
    "zmq.py",
)


@pytest.mark.attack("files-executed-by-the-formgrader")
def test_submitted_configuration_is_not_executed(served: Formgrader) -> None:
    """Whatever the code of a submission is named, only the sandbox executes it."""
    if not available().best:
        pytest.skip(f"no sandbox works here: {available().reasons}")
    mark = served.course.path / "executed"
    folder = served.course.submit("mallet")
    for name in EXECUTED_BY_JUPYTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(RUNS.format(mark=str(mark)))
    served.autograde("mallet")
    served.action(f"assignment/{ASSIGNMENT}/mallet/generate_feedback")
    for place in ("submitted", "autograded"):
        served.request("GET", f"formgrader?path={served.course.path}/{place}/nobody")
    assert served.request("GET", "formgrader/manage_assignments")[0] == 200
    assert not mark.exists()
