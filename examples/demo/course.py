"""Creates the demo's course with nbgrader: quickstart, release, three submissions, autograding.

Run ``python -m examples.demo.course DIRECTORY``; it takes less than a minute.
"""

import os
import secrets
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

from examples.demo.people import COURSE

ASSIGNMENT = "ps1"
HOSTILE = "eve"
NAMES = {
    "ada": ("Ada", "Ahlers"),
    "ben": ("Ben", "Bauer"),
    "chloe": ("Chloe", "Costa"),
    "dan": ("Dan", "Duarte"),
    "eve": ("Eve", "Evans"),
}
#: The effect of a script if it runs in a grader's page.
ALARM = "document.title = 'This script of a student ran'"
GOOD = {
    "squares": "def squares(n):\n    if n < 1:\n        raise ValueError(n)\n"
    "    return [i**2 for i in range(1, n + 1)]",
    "sum_of_squares": "def sum_of_squares(n):\n    return sum(squares(n))",
    "sum_of_squares_equation": r"$\sum_{i=1}^n i^2$",
    "sum_of_squares_application": "sum_of_squares(3)  # balls in a pyramid of three layers",
}
ANSWERS = {
    "ada": GOOD,
    # Does not reject invalid inputs, and gives no equation.
    "ben": GOOD
    | {
        "squares": "def squares(n):\n    return [i * i for i in range(1, n + 1)]",
        "sum_of_squares_equation": "I do not know.",
    },
    "eve": GOOD | {"sum_of_squares_equation": f'<img src="x" onerror="{ALARM}"> see the picture'},
}


def make_course(directory: Path) -> None:
    """Create the course in `directory`, which appears complete or not at all."""
    making = directory.with_name(f"{directory.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    course = making / COURSE
    subprocess.run(  # noqa: S603 - fixed arguments, no shell
        [sys.executable, "-m", "nbgrader", "quickstart", COURSE],
        cwd=making,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    exchange = directory.with_name("exchange")
    exchange.mkdir(exist_ok=True)
    exchange.chmod(0o777)  # required by nbgrader; the parent directory is private
    api = _nbgrader(course, exchange)
    with api.gradebook as gradebook:
        for student, (first, last) in NAMES.items():
            gradebook.update_or_create_student(student, first_name=first, last_name=last)
    _succeed(api.generate_assignment(ASSIGNMENT))
    _succeed(api.release_assignment(ASSIGNMENT))
    for student in ANSWERS:
        _submit(course, student)
        _succeed(api.autograde(ASSIGNMENT, student))
    course.rename(directory)
    shutil.rmtree(making)


def _nbgrader(course: Path, exchange: Path) -> Any:
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.course_id = COURSE
    config.Exchange.root = str(exchange)
    config.IncludeHeaderFooter.header = str(course / "source" / "header.ipynb")
    return NbGraderAPI(config=config)


def _succeed(result: dict[str, Any]) -> None:
    if not result["success"]:
        raise RuntimeError(f"{result.get('error')}\n{result.get('log')}")


def _submit(course: Path, student: str) -> None:
    """Submit the released notebooks with the student's answers."""
    submitted = course / "submitted" / student / ASSIGNMENT
    shutil.copytree(course / "release" / ASSIGNMENT, submitted)
    for path in submitted.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = ANSWERS[student].get(name, cell.source)
        if student == HOSTILE:
            _poison(notebook, submitted)
        nbformat.write(notebook, path)
    stamp = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    (submitted / "timestamp.txt").write_text(stamp)
    # nbgrader creates this file when students submit; releasing feedback needs it.
    (submitted / "submission_secret.txt").write_text(secrets.token_hex(32))


def _poison(notebook: NotebookNode, submitted: Path) -> None:
    """Add scripts everywhere a student can: in an output, an HTML page and an SVG image."""
    script = f"<script>{ALARM}</script>"
    shown = new_code_cell(f"from IPython.display import HTML\nHTML({script!r})")
    shown.outputs = [new_output("execute_result", {"text/html": script}, execution_count=1)]
    notebook.cells.append(shown)
    (submitted / "evil.html").write_text(f"<!doctype html><title>sent in</title>{script}")
    (submitted / "plot.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">{script}'
        "<circle cx='20' cy='20' r='15' fill='green'/></svg>"
    )


if __name__ == "__main__":
    programs = Path(sys.executable).parent
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    make_course(Path(sys.argv[1]).resolve())
