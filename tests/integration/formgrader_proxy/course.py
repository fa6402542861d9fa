"""A small course made by nbgrader itself, with an honest submission and a hostile one.

``python -m tests.integration.formgrader_proxy.course DIRECTORY COURSE_ID`` creates it.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ASSIGNMENT = "ps1"
NOTEBOOK = "sums"
STUDENTS = ("ana", "mallory")
#: Leaves a trace in the grader's page if it runs as a script.
ALARM = "window.hostile = true; document.title = 'OWNED'"


def make_course(directory: Path, course_id: str) -> None:
    """Create, assign and autograde; the answers of both students are correct.

    nbgrader runs alembic by name, so PATH must contain the environment's programs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.course_id = {course_id!r}\n"
        f"c.Exchange.root = {str(directory / 'exchange')!r}\n"
    )
    (directory / "exchange").mkdir(exist_ok=True)
    (directory / "exchange").chmod(0o777)
    source = directory / "source" / ASSIGNMENT
    source.mkdir(parents=True, exist_ok=True)
    nbformat.write(_source_notebook(), source / f"{NOTEBOOK}.ipynb")
    api = _nbgrader(directory, course_id)
    _succeed(api.generate_assignment(ASSIGNMENT))
    for student in STUDENTS:
        _submit(directory, student)
    for student in STUDENTS:
        _succeed(api.autograde(ASSIGNMENT, student))


def _nbgrader(directory: Path, course_id: str) -> Any:
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.root = str(directory)
    config.CourseDirectory.course_id = course_id
    config.Exchange.root = str(directory / "exchange")
    return NbGraderAPI(config=config)


def _succeed(result: dict[str, Any]) -> None:
    if not result["success"]:
        raise RuntimeError(f"{result.get('error')}\n{result.get('log')}")


def graded_cell(name: str, **changes: Any) -> dict[str, Any]:
    """The metadata of a cell with a score."""
    metadata = {
        "grade": True,
        "grade_id": name,
        "locked": False,
        "points": 3,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    return {"nbgrader": metadata | changes}


def _source_notebook() -> NotebookNode:
    answer = (
        "def total(numbers):\n    ### BEGIN SOLUTION\n    return sum(numbers)\n    ### END SOLUTION"
    )
    notebook: NotebookNode = new_notebook(
        cells=[
            new_markdown_cell("# Sums"),
            new_code_cell(
                answer, metadata=graded_cell("total", grade=False, solution=True, points=0)
            ),
            new_code_cell(
                "assert total([1, 2]) == 3", metadata=graded_cell("test_total", locked=True)
            ),
            new_markdown_cell("Why?", metadata=graded_cell("why", solution=True, points=5)),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    return notebook


def _submit(directory: Path, student: str) -> None:
    released = directory / "release" / ASSIGNMENT
    submitted = directory / "submitted" / student / ASSIGNMENT
    shutil.copytree(released, submitted, dirs_exist_ok=True)
    path = submitted / f"{NOTEBOOK}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name == "total":
            cell.source = "def total(numbers):\n    return sum(numbers)"
        if name == "why":
            cell.source = "Because of the sum."
    if student == "mallory":
        _poison(notebook, submitted)
    nbformat.write(notebook, path)
    (submitted / "timestamp.txt").write_text("2026-01-15 12:00:00 UTC")
    # Written by nbgrader when a student submits. Releasing feedback requires it.
    (submitted / "submission_secret.txt").write_text(f"secret of {student}")


def _poison(notebook: NotebookNode, submitted: Path) -> None:
    """Put scripts into everything that a student can submit."""
    tag = f"<script>{ALARM}</script><img src='x' onerror=\"{ALARM}\">"
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "why":
            cell.source = f"Because of the sum. {tag} ![own picture](plot.svg)"
    shown = new_code_cell(f"from IPython.display import HTML\nHTML({tag!r})")
    shown.outputs = [new_output("execute_result", {"text/html": tag}, execution_count=1)]
    notebook.cells.append(shown)
    # Autograding runs the cell, so that its output is there afterwards, too.
    (submitted / "evil.html").write_text(f"<!doctype html><title>sent in</title>{tag}")
    svg = "http://www.w3.org/2000/svg"
    (submitted / "plot.svg").write_text(
        f'<svg xmlns="{svg}" width="40" height="40" onload="{ALARM}">'
        f"<script>{ALARM}</script><circle cx='20' cy='20' r='15' fill='green'/></svg>"
    )


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    make_course(Path(sys.argv[1]).resolve(), sys.argv[2])
