"""Submissions that exceed each limit, with a real formgrader and a real sandbox."""

from pathlib import Path

import pytest

from services.formgrader_proxy.sandbox.mechanisms import available
from tests.integration.autograding.conftest import settings
from tests.integration.autograding.formgrader import copy_of, formgrader

#: For each limit: its value, code that exceeds it, and words of the explanation.
EXCEEDED = {
    "memory_mb": (256, "data = [bytes(range(256)) * 4096 for _ in range(2000)]", "memory"),
    "cpu_seconds": (5, "while True: pass", "CPU"),
    "processes": (
        24,
        "import subprocess\nrunning = [subprocess.Popen(['sleep', '60']) for _ in range(80)]",
        "process",
    ),
    "files": (
        50,
        "for n in range(200): open(f'f{n}', 'w').close()\nimport time; time.sleep(20)",
        "file",
    ),
    "disk_mb": (
        5,
        "open('big', 'wb').write(bytes(50_000_000))\nimport time; time.sleep(20)",
        "disk",
    ),
    "output_mb": (1, "while True: print('x' * 1000)", "printed or displayed more than 1 MB"),
    "seconds": (6, "import time; time.sleep(100)", "longer than 6 s"),
}


@pytest.mark.attack("autograde-exceeds-a-limit")
@pytest.mark.parametrize("limit", EXCEEDED)
def test_a_limit(new_course: Path, tmp_path: Path, limit: str) -> None:
    """The submission gets no points and an explanation; the next one is graded."""
    if not available().best and limit not in {"output_mb", "seconds"}:
        pytest.skip(f"no sandbox works here: {available().reasons}")
    value, code, words = EXCEEDED[limit]
    limits = {limit: value}
    with formgrader(copy_of(new_course, tmp_path), settings(limits=limits)) as running:
        course = running.course
        before = course.scores()
        course.submit("greedy", "print('begun')", code)
        result = running.autograde("greedy")
        explained = result["log"].splitlines()[0]
        assert result["success"], result
        assert explained.startswith("sums.ipynb: ")
        assert words in explained
        _, first, stopped, *later = course.notebook("greedy").cells
        assert first.outputs[0].text == "begun\n"
        assert stopped.outputs[-1].ename == "NotebookStopped"
        assert words in stopped.outputs[-1].evalue
        assert all(
            cell.outputs[0].evalue.startswith("Not executed.")
            for cell in later
            if cell.cell_type == "code"
        )
        page = running.request("GET", f"formgrader/submissions/{running.notebook_id('greedy')}/")
        assert page[0] == 200
        assert words in page[1].decode()
        course.submit("next")
        assert running.autograde("next")["success"]
        assert course.scores() == before | {"greedy": 0, "next": 3}


def test_a_kernel_that_does_not_start(new_course: Path, tmp_path: Path) -> None:
    """The dialog says what can be the reason. Without a sandbox, a file can shadow a module."""
    with formgrader(copy_of(new_course, tmp_path), settings(sandbox="none")) as running:
        (running.course.submit("shadow") / "ipykernel_launcher.py").write_text("raise SystemExit")
        result = running.autograde("shadow")
        assert not result["success"]
        assert result["error"].startswith("sums.ipynb: Its kernel did not start.")
        assert not running.course.autograded("shadow").exists()


def test_a_kernel_that_ends_itself(new_course: Path, tmp_path: Path) -> None:
    """The cells before it keep their outputs, and the reason is shown."""
    with formgrader(copy_of(new_course, tmp_path), settings()) as running:
        running.course.submit("quitter", "print('begun')", "import os; os._exit(3)")
        result = running.autograde("quitter")
        assert result["log"].startswith("sums.ipynb: Its kernel ended unexpectedly.")
        assert running.course.notebook("quitter").cells[1].outputs[0].text == "begun\n"
        assert running.course.scores()["quitter"] == 0
        running.course.submit("slow", "import time; time.sleep(0.1)")
        assert running.autograde("slow")["success"]
        assert running.course.scores()["slow"] == 3
