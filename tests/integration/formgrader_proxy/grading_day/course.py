"""A course at class size: nbgrader's own rows in the gradebook, and a small notebook for each.

Nothing is autograded, so that 220 students take seconds. :func:`make_class` runs this module in a
process of its own, because nbgrader changes the working directory.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nbformat import v4

from tests.integration.autograding import notebooks
from tests.integration.formgrader_proxy.course import graded_cell
from tests.paths import ROOT

_v4: Any = v4  # it has no types
COURSE = "class101"
NOTEBOOK = "sums"
#: High enough for a sequence number as a score.
POINTS = 1_000_000


@dataclass(frozen=True)
class Size:
    """``questions``: cells with a manual score and a comment, besides one that is autograded."""

    students: int = 220
    assignments: int = 1
    questions: int = 6

    def assignment_names(self) -> list[str]:
        return [f"ps{number + 1}" for number in range(self.assignments)]

    def student_names(self) -> list[str]:
        return [f"student{number:04}" for number in range(self.students)]


def make_class(directory: Path, size: Size, db_url: str | None = None) -> Path:
    """Create the course in ``directory``, with a gradebook at ``db_url`` or in its own file."""
    home = directory.parent / "home"
    home.mkdir(parents=True, exist_ok=True)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    subprocess.run(
        [sys.executable, "-m", __spec__.name, str(directory), json.dumps(asdict(size))],
        cwd=home,
        env=os.environ
        | {"PATH": programs, "HOME": str(home), "PYTHONPATH": str(ROOT)}
        | {"PYTHONWARNINGS": "ignore", "GRADEBOOK": db_url or ""},
        check=True,
        capture_output=True,
        timeout=600,
    )
    return directory


def main(directory: Path, size: Size, db_url: str) -> None:
    """Assign each assignment with nbgrader, then add what collecting and autograding would."""
    directory.mkdir(parents=True)
    exchange = directory / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    (directory / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.course_id = {COURSE!r}\nc.Exchange.root = {str(exchange)!r}\n"
    )
    url = db_url.replace("postgresql:", "postgresql+psycopg2:", 1)
    url = url or f"sqlite:///{directory}/gradebook.db"
    api = _nbgrader(directory, url)
    for name in size.assignment_names():
        source = directory / "source" / name
        source.mkdir(parents=True)
        notebooks.write(_source(size.questions), source / f"{NOTEBOOK}.ipynb")
        result = api.generate_assignment(name)
        if not result["success"]:
            raise RuntimeError(f"{result.get('error')}\n{result.get('log')}")
        _add_folders(directory, name, size)
    _add_rows(url, size)


def _nbgrader(directory: Path, url: str) -> Any:
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import Config

    config = Config()
    config.CourseDirectory.root = str(directory)
    config.CourseDirectory.course_id = COURSE
    config.CourseDirectory.db_url = url
    return NbGraderAPI(config=config)


def _source(questions: int) -> Any:
    answer = (
        "def total(numbers):\n    ### BEGIN SOLUTION\n    return sum(numbers)\n    ### END SOLUTION"
    )
    cells = [
        _v4.new_markdown_cell("# Sums"),
        _v4.new_code_cell(
            answer, metadata=graded_cell("total", grade=False, solution=True, points=0)
        ),
        _v4.new_code_cell(
            "assert total([1, 2]) == 3", metadata=graded_cell("test_total", locked=True)
        ),
    ]
    for number in range(questions):
        metadata = graded_cell(f"question{number}", solution=True, points=POINTS)
        cells.append(_v4.new_markdown_cell(f"Why? ({number})", metadata=metadata))
    kernel = {"name": "python3", "display_name": "Python 3"}
    return _v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _add_folders(directory: Path, assignment: str, size: Size) -> None:
    """What each student submitted, and the same as if it had been autograded."""
    released = directory / "release" / assignment
    for student in size.student_names():
        notebook = notebooks.read(released / f"{NOTEBOOK}.ipynb")
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            if name == "total":
                cell.source = "def total(numbers):\n    return sum(numbers)"
            elif name.startswith("question"):
                cell.source = f"Because {student} has read it."
        submitted = directory / "submitted" / student / assignment
        submitted.mkdir(parents=True)
        notebooks.write(notebook, submitted / f"{NOTEBOOK}.ipynb")
        (submitted / "timestamp.txt").write_text("2026-01-15 12:00:00 UTC")
        shutil.copytree(submitted, directory / "autograded" / student / assignment)


def _add_rows(url: str, size: Size) -> None:
    """The rows that nbgrader adds when it autogrades."""
    from nbgrader import api

    with api.Gradebook(url, course_id=COURSE) as gradebook:
        session = gradebook.db
        students = [
            api.Student(id=name, first_name="Ana", last_name=name) for name in size.student_names()
        ]
        session.add_all(students)
        for assignment in gradebook.assignments:
            for student in students:
                session.add(_submission(api, assignment, student))
        session.commit()


def _submission(api: Any, assignment: Any, student: Any) -> Any:
    submission = api.SubmittedAssignment(
        assignment=assignment,
        student=student,
        timestamp=datetime(2026, 1, 15, 12),  # noqa: DTZ001 # as nbgrader's
    )
    for notebook in assignment.notebooks:
        submitted = api.SubmittedNotebook(notebook=notebook, assignment=submission)
        for cell in notebook.grade_cells:
            grade = api.Grade(cell_id=cell.id, notebook=submitted)
            if cell.cell_type == "code":
                grade.auto_score, grade.needs_manual_grade = cell.max_score, False
        for cell in notebook.solution_cells:
            api.Comment(cell_id=cell.id, notebook=submitted)
    return submission


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Size(**json.loads(sys.argv[2])), os.environ["GRADEBOOK"])
