"""A course with something for every button of nbgrader's pages.

``python -m tests.browser.formgrader.course DIRECTORY COURSE_ID`` creates it. Each assignment serves
other tests, which change it:

- ``ps1``: three autograded submissions, with scores, comments and rich content;
- ``ps2``: a draft, and a submission in the exchange;
- ``ps3``: two submissions that are not autograded.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.browser.formgrader.content import enrich
from tests.integration.formgrader_proxy.course import graded_cell

GRADED, DRAFT, SUBMITTED = "ps1", "ps2", "ps3"
NOTEBOOK = "sums"
#: A submission of GRADED each: correct, with a failed test, and with rich content.
RIGHT, WRONG, RICH = "ana", "ben", "cleo"
#: The students of SUBMITTED.
DORA, ELI = "dora", "eli"
RANDOM = "0b8f4a52-6c1d-4d1b-8a77-9d1a2ff5d001"


def make_course(directory: Path, course_id: str) -> None:
    """Create the assignments and submissions, and autograde those of GRADED."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.root = str(directory)
    config.CourseDirectory.course_id = course_id
    config.Exchange.root = str(directory / "exchange")
    directory.mkdir(parents=True)
    (directory / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.course_id = {course_id!r}\n"
        f"c.Exchange.root = {str(directory / 'exchange')!r}\n"
        "c.ClearSolutions.code_stub = {'python': 'pass'}\n"
    )
    inbound = directory / "exchange" / course_id / "inbound"
    inbound.mkdir(parents=True)
    for assignment, source in ((GRADED, _graded()), (DRAFT, _short()), (SUBMITTED, _short())):
        folder = directory / "source" / assignment
        folder.mkdir(parents=True)
        nbformat.write(source, folder / f"{NOTEBOOK}.ipynb")
    api = NbGraderAPI(config=config)
    for assignment in (GRADED, SUBMITTED):
        _succeed(api.generate_assignment(assignment))
    for student in (RIGHT, WRONG, RICH):
        submit(directory, GRADED, student)
        _succeed(api.autograde(GRADED, student))
    for student in (DORA, ELI):
        submit(directory, SUBMITTED, student)
    shutil.copytree(
        directory / "submitted" / DORA / SUBMITTED,
        inbound / f"{RIGHT}+{DRAFT}+2026-01-15 12:00:00 UTC+{RANDOM}",
    )
    enrich(directory / "autograded" / RICH / GRADED, NOTEBOOK)


def submit(directory: Path, assignment: str, student: str) -> None:
    """Submit the released notebook with this student's answers."""
    submitted = directory / "submitted" / student / assignment
    shutil.copytree(directory / "release" / assignment, submitted)
    path = submitted / f"{NOTEBOOK}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "total":
            result = "0" if student == WRONG else "sum(numbers)"
            cell.source = f"def total(numbers):\n    return {result}"
    nbformat.write(notebook, path)
    (submitted / "timestamp.txt").write_text("2026-01-15 12:00:00 UTC")
    # Written by nbgrader when a student submits. Releasing feedback requires it.
    (submitted / "submission_secret.txt").write_text(f"secret of {student}")


def _graded() -> NotebookNode:
    solution = graded_cell("total", grade=False, solution=True)
    del solution["nbgrader"]["points"]
    task = graded_cell("draw", task=True, grade=False, locked=True)
    return _notebook(
        new_markdown_cell("# Sums"),
        new_code_cell(
            "def total(numbers):\n    ### BEGIN SOLUTION\n    return sum(numbers)\n"
            "    ### END SOLUTION",
            metadata=solution,
        ),
        new_code_cell("assert total([1, 2]) == 3", metadata=graded_cell("test", locked=True)),
        new_markdown_cell("Why?", metadata=graded_cell("why", solution=True, points=5)),
        new_markdown_cell("Draw it.", metadata=task),
    )


def _short() -> NotebookNode:
    return _notebook(new_markdown_cell("Why?", metadata=graded_cell("why", solution=True)))


def _notebook(*cells: NotebookNode) -> NotebookNode:
    notebook: NotebookNode = new_notebook(
        cells=list(cells),
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    return notebook


def _succeed(result: dict[str, Any]) -> None:
    if not result["success"]:
        raise RuntimeError(f"{result.get('error')}\n{result.get('log')}")


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    make_course(Path(sys.argv[1]).resolve(), sys.argv[2])
