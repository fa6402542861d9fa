"""Code of a submission that tries to leave its sandbox, in real kernels.

One notebook for each sandbox contains all attempts. The same notebook without a sandbox succeeds,
which shows that the attempts work.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from services.formgrader_proxy.sandbox.mechanisms import available
from services.formgrader_proxy.sandbox.settings import Mechanism
from tests.attacks.sandbox.attempts import ATTEMPTS, FIRST, SURVIVE, WORK
from tests.attacks.sandbox.course import ORDINARY, Course, Result, why_not

#: A mechanism, the formgrader's account, and the version of Landlock that its filters assume.
PLACES = {
    "bubblewrap": ("bubblewrap", None, None),
    "bubblewrap, ordinary account": ("bubblewrap", ORDINARY, None),
    "landlock": ("landlock", None, None),
    "landlock, ordinary account": ("landlock", ORDINARY, None),
    "landlock, Linux before 6.12": ("landlock", ORDINARY, 5),
}
MARKS = [
    pytest.mark.attack("sandbox-read-gradebook"),
    pytest.mark.attack("sandbox-read-by-link"),
    pytest.mark.attack("sandbox-read-by-proc"),
    pytest.mark.attack("sandbox-inherited-descriptor"),
    pytest.mark.attack("sandbox-environment"),
    pytest.mark.attack("sandbox-read-others"),
    pytest.mark.attack("sandbox-write-outside"),
    pytest.mark.attack("sandbox-change-gradebook"),
    pytest.mark.attack("sandbox-exchange"),
    pytest.mark.attack("sandbox-connect"),
    pytest.mark.attack("sandbox-formgraders-socket"),
    pytest.mark.attack("sandbox-see-processes"),
    pytest.mark.attack("sandbox-signal"),
    pytest.mark.attack("sandbox-trace"),
    pytest.mark.attack("sandbox-shared-memory"),
    pytest.mark.attack("sandbox-namespaces"),
    pytest.mark.attack("sandbox-devices"),
    pytest.mark.attack("sandbox-system-settings"),
    pytest.mark.attack("sandbox-raise-limits"),
]
#: Not possible without a sandbox either: Python passes no descriptors on, and nothing limits yet.
IMPOSSIBLE = {"sandbox-inherited-descriptor"}


@dataclass(frozen=True)
class Executed:
    """A course after the notebook with all attempts."""

    course: Course
    result: Result
    survivors: list[int]

    def printed(self, name: str) -> str:
        """What the cell with this attempt printed."""
        return self.result.outputs[1 + list(ATTEMPTS).index(name)]


def execute(mechanism: str, uid: int | None, version: int | None) -> Executed:
    """Execute all attempts in a new course."""
    course = Course(uid)
    first = f"T = {course.targets()!r}\n{FIRST}"
    cells = [first, *ATTEMPTS.values(), WORK, SURVIVE]
    try:
        result = course.execute(cells, mechanism, landlock=version)
    except BaseException:
        course.close()
        raise
    return Executed(course, result, course.survivors())


@pytest.fixture(scope="module", params=PLACES.values(), ids=list(PLACES))
def executed(request: pytest.FixtureRequest) -> Iterator[Executed]:
    """The notebook with all attempts, executed in a sandbox."""
    mechanism, uid, version = request.param
    reason = available().reasons[Mechanism(mechanism)] or why_not(uid)
    if reason:
        pytest.skip(reason)
    done = execute(mechanism, uid, version)
    yield done
    done.course.close()


@pytest.fixture(scope="module")
def unprotected() -> Iterator[Executed]:
    """The same notebook without a sandbox."""
    done = execute("none", None, None)
    yield done
    done.course.close()


@pytest.mark.parametrize("name", [pytest.param(one.args[0], marks=one) for one in MARKS])
def test_an_attempt_fails(executed: Executed, name: str) -> None:
    """The cell ran and reached nothing."""
    printed = executed.printed(name)
    assert "IN" not in printed.split(), printed
    assert "Traceback" not in printed, printed


@pytest.mark.attack("no-sandbox")
@pytest.mark.parametrize("name", sorted(set(ATTEMPTS) - IMPOSSIBLE))
def test_the_attempts_work_without_a_sandbox(unprotected: Executed, name: str) -> None:
    """The control: without protection each of them succeeds."""
    if os.geteuid() != 0 and name in {"sandbox-system-settings", "sandbox-devices"}:
        pytest.skip("only root can do this at all")
    printed = unprotected.printed(name)
    assert "IN" in printed.split(), printed


def test_nothing_outside_has_changed(executed: Executed) -> None:
    """The gradebook, other folders and the exchange are as before, and nobody was reached."""
    assert executed.course.state() == executed.course.before
    assert executed.course.reached == []
    assert executed.course.victim.poll() is None


@pytest.mark.attack("sandbox-survive")
def test_nothing_survives(executed: Executed) -> None:
    """Detached, stopped and forking processes end with the notebook."""
    assert "started" in executed.result.outputs[-1]
    assert executed.survivors == []


def test_processes_survive_without_a_sandbox(unprotected: Executed) -> None:
    """The control: they outlive the notebook."""
    assert unprotected.survivors != []


@pytest.mark.attack("sandbox-leave-link")
def test_only_ordinary_files_are_left(executed: Executed) -> None:
    """Symlinks, FIFOs, sockets, strange names and special modes do not reach a later step."""
    found = {path.name: path.lstat() for path in executed.course.folder.rglob("*")}
    for name, status in found.items():
        assert stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode), name
        assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID), name
        assert status.st_uid == executed.course.folder.stat().st_uid, name
    assert not [name for name in found if "\n" in name or not name.isascii()]


def test_links_are_left_without_a_sandbox(unprotected: Executed) -> None:
    """The control: a later step would meet them."""
    assert (unprotected.course.folder / "left-gradebook").is_symlink()


def test_ordinary_work_succeeds(executed: Executed, request: pytest.FixtureRequest) -> None:
    """Files, child processes, threads and databases work, and the results are kept."""
    pool = "[1, 2]" if "bubblewrap" in request.node.name else "no semaphores"
    printed = executed.result.outputs[-2]
    assert printed.endswith("done\n"), printed
    for expected in ("released", "of the assignment", "child", "SHELL", "thread", "pair", pool):
        assert expected in printed
    assert (executed.course.folder / "copied/deep/file.txt").read_text() == "kept"
    assert executed.result.error is None
    assert executed.result.outcome is not None
    assert executed.result.outcome["limit"] is None
