"""nbgrader's own commands in a terminal, and configuration that tries to weaken the formgrader."""

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from services.formgrader_proxy.sandbox.mechanisms import available
from tests.integration.autograding.conftest import settings
from tests.integration.autograding.formgrader import Course, copy_of, formgrader, nbgrader
from tests.integration.formgrader_proxy.course import ASSIGNMENT
from tests.paths import ROOT

PYTHON3 = Path(sys.prefix) / "share" / "jupyter" / "kernels" / "python3"
#: Writes the gradebook's first bytes, if it can read them, into the notebook's outputs.
READS_GRADES = "print('found', open({path!r}, 'rb').read(15))"
#: What a course could set to have its submissions executed without a sandbox.
WEAKER = """
c.KernelProvisionerFactory.default_provisioner_name = "local-provisioner"
c.KernelManager.transport = "tcp"
c.SandboxProvisioner.mechanism = "none"
c.SandboxProvisioner.network = True
c.Autograde.autograde_preprocessors = [
    "nbgrader.preprocessors.Execute", "nbgrader.preprocessors.SaveAutoGrades"]
c.Execute.kernel_manager_class = "jupyter_client.manager.AsyncKernelManager"
from services.formgrader_proxy.autograding.guards import protect
protect(sandbox="none", limits={"seconds": 1})
"""


@pytest.fixture
def course(new_course: Path, tmp_path: Path) -> Course:
    """A course whose submission by "mallet" reads the gradebook."""
    if not available().best:
        pytest.skip(f"no sandbox works here: {available().reasons}")
    course = Course(copy_of(new_course, tmp_path))
    course.submit("mallet", READS_GRADES.format(path=str(course.path / "gradebook.db")))
    return course


def configure(course: Course, lines: str) -> None:
    """Add lines to the course's nbgrader_config.py."""
    with (course.path / "nbgrader_config.py").open("a") as config:
        config.write(lines)


def stole(course: Course) -> bool:
    """Whether the submission's code found the gradebook."""
    outputs = course.notebook("mallet").cells[1].outputs
    return "SQLite format 3" in json.dumps(outputs)


def documented_lines() -> str:
    """The lines for nbgrader_config.py in the documentation."""
    text = (ROOT / "docs" / "formgrader.md").read_text("utf-8")
    start = text.index("from services.formgrader_proxy.autograding.guards import protect")
    return "\n" + text[start : text.index("```", start)]


@pytest.mark.attack("autograde-in-a-terminal")
def test_the_documented_lines_protect_a_terminal(course: Course) -> None:
    """Without them, the code reads the gradebook; with them, it does not, and links are refused."""
    nbgrader(course, "autograde", ASSIGNMENT, "--student=mallet")
    assert stole(course)
    configure(course, documented_lines())
    done = nbgrader(course, "autograde", ASSIGNMENT, "--student=mallet", "--force")
    assert done.returncode == 0, done.stderr
    assert not stole(course)
    assert course.scores() == {"ana": 3, "mallory": 3, "mallet": 3}
    (course.submitted("mallet") / "link.txt").symlink_to(course.path / "gradebook.db")
    done = nbgrader(course, "autograde", ASSIGNMENT, "--force")
    assert done.returncode == 1
    assert '"link.txt" is a symbolic link' in done.stderr
    assert course.scores() == {"ana": 3, "mallory": 3, "mallet": 3}


def test_invalid_lines_end_the_command(course: Course) -> None:
    """With all problems, and nothing is executed."""
    configure(
        course,
        "from services.formgrader_proxy.autograding.guards import protect\n"
        'protect(sandbox="landlok", limits={"memory": 1})\n',
    )
    done = nbgrader(course, "autograde", ASSIGNMENT, "--student=mallet")
    assert done.returncode != 0
    assert 'did you mean "landlock"' in done.stderr
    assert 'did you mean "memory_mb"' in done.stderr
    assert not course.autograded("mallet").exists()


@pytest.mark.attack("autograde-with-weaker-configuration")
def test_a_courses_configuration_cannot_weaken_its_formgrader(course: Course) -> None:
    """The settings of the courses file apply, whatever nbgrader_config.py and kernels say."""
    configure(course, WEAKER)
    kernel = course.path.parent / "home" / ".local" / "share" / "jupyter" / "kernels" / "local"
    kernel.mkdir(parents=True)
    spec = json.loads((PYTHON3 / "kernel.json").read_text())
    spec["metadata"] = {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    with sqlite3.connect(course.path / "gradebook.db") as database:
        chosen = json.dumps({"name": "local", "display_name": "x", "language": "python"})
        database.execute("update notebook set kernelspec = ?", (chosen,))
    with formgrader(course.path, settings()) as running:
        result = running.autograde("mallet")
        assert result["success"], result
        assert not stole(course)
        assert course.scores()["mallet"] == 3


def test_without_a_sandbox_autograding_is_refused(
    course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the mechanism that the course asks for does not work; the dialog says what to do."""
    monkeypatch.setenv("PATH", "/nonexistent")  # bubblewrap is not found
    with formgrader(course.path, settings(sandbox="bubblewrap")) as running:
        result = running.autograde("mallet")
        assert not result["success"]
        assert "bubblewrap (bwrap) is not installed" in result["error"]
        assert 'sandbox = "none"' in result["error"]
        assert not course.autograded("mallet").exists()


@pytest.mark.attack("autograde-without-a-sandbox")
def test_a_course_without_a_sandbox_says_so(course: Course) -> None:
    """On every page, because the code of a submission reads the gradebook."""
    with formgrader(course.path, settings(sandbox="none")) as running:
        assert running.autograde("mallet")["success"]
        assert stole(course)
        for page in (
            "manage_assignments",
            f"manage_submissions/{ASSIGNMENT}",
            "gradebook",
            "manage_students",
            f"submissions/{running.notebook_id('mallet')}/",
        ):
            status, body = running.request("GET", f"formgrader/{page}")
            assert status == 200
            assert b"autograded without isolation" in body, page
