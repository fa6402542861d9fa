"""A course in which every name is hostile, written without autograding.

``python -m tests.browser.formgrader.hostile_course DIRECTORY COURSE_ID`` creates it. The names are
those of directories and files, as a student chooses them in the exchange, and of the gradebook.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from tests.attacks.pages.names import NAMES

#: Of all students, and with all notebooks.
ASSIGNMENT, NOTEBOOKS = "ps1", "ps2"
NOTEBOOK, STUDENT = "sums", "ana"
HOSTILE = tuple(NAMES.values())


def make_course(directory: Path, course_id: str) -> None:
    """Every student's submission of ASSIGNMENT, and STUDENT's of all assignments."""
    from nbgrader.api import Gradebook

    directory.mkdir(parents=True)
    (directory / "exchange").mkdir()
    (directory / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.course_id = {course_id!r}\n"
        f"c.Exchange.root = {str(directory / 'exchange')!r}\n"
    )
    sent: list[tuple[str, str, tuple[str, ...]]] = [
        (STUDENT, NOTEBOOKS, (NOTEBOOK, *HOSTILE)),
        *((student, ASSIGNMENT, (NOTEBOOK,)) for student in (STUDENT, *HOSTILE)),
        *((STUDENT, assignment, (NOTEBOOK,)) for assignment in HOSTILE),
    ]
    with Gradebook(f"sqlite:///{directory}/gradebook.db") as gradebook:
        gradebook.add_student(STUDENT)
        for name in HOSTILE:
            gradebook.add_student(name, first_name=name, last_name=name, email=name)
        for assignment, notebooks in {one: names for _, one, names in sent}.items():
            gradebook.add_assignment(assignment)
            for notebook in notebooks:
                gradebook.add_notebook(notebook, assignment)
                place = ("why", notebook, assignment)
                gradebook.add_grade_cell(*place, max_score=5, cell_type="markdown")
                gradebook.add_solution_cell(*place)
                gradebook.add_source_cell(*place, cell_type="markdown")
                _write(directory / "source" / assignment, notebook)
                _write(directory / "release" / assignment, notebook)
        for student, assignment, notebooks in sent:
            gradebook.add_submission(assignment, student)
            for step in ("submitted", "autograded"):
                for notebook in notebooks:
                    _write(directory / step / student / assignment, notebook)


def _write(folder: Path, notebook: str) -> None:
    metadata = {
        "grade": True,
        "grade_id": "why",
        "locked": False,
        "points": 5,
        "schema_version": 3,
        "solution": True,
        "task": False,
    }
    folder.mkdir(parents=True, exist_ok=True)
    made = new_notebook(cells=[new_markdown_cell("Because.", metadata={"nbgrader": metadata})])
    nbformat.write(made, folder / f"{notebook}.ipynb")


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    make_course(Path(sys.argv[1]).resolve(), sys.argv[2])
