"""A course at class size, as if every submission had been collected, autograded and partly graded.

``python -m tests.bench.formgrader_proxy.class_course DIRECTORY STUDENTS`` creates it. nbgrader's
own commands would take hours, so the rows are written with nbgrader's tables.
"""

import json
import os
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from tests.bench.formgrader_proxy.page import page_of_cells

ASSIGNMENTS, CELLS = 10, 6
ASSIGNMENT, NOTEBOOK = "ps1", "sums"
"""The assignment that is graded: its notebooks have the size of real ones."""

COURSE = "course101"
_DUE = datetime(2026, 1, 15)  # noqa: DTZ001 - nbgrader stores UTC without a zone


def make_course(directory: Path, students: int) -> None:
    """Write the folders and the gradebook. nbgrader runs alembic by name, so PATH must have it."""
    make_folders(directory, students)
    make_gradebook(f"sqlite:///{directory}/gradebook.db", students)


def make_folders(directory: Path, students: int) -> None:
    """Write the folders and the configuration."""
    directory.mkdir(parents=True)
    (directory / "exchange").mkdir()
    (directory / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        f"c.CourseDirectory.course_id = {COURSE!r}\n"
        f"c.Exchange.root = {str(directory / 'exchange')!r}\n"
    )
    for assignment in _assignments():
        _folders(directory, assignment, _people(students))


def make_gradebook(url: str, students: int) -> None:
    """Write the rows. nbgrader runs alembic by name, so PATH must have it."""
    from nbgrader import api

    people = _people(students)
    rows = _Rows(random.Random(1))  # noqa: S311 - equal courses in every run
    with api.Gradebook(url, COURSE) as gradebook:
        for table, values in rows.of_course(people):
            gradebook.db.execute(insert(getattr(api, table).__table__), values)
        gradebook.db.commit()


def _people(students: int) -> list[str]:
    return [f"student{number:04}" for number in range(students)]


def _submitted(number: int) -> datetime:
    """When the student with this number submitted, in UTC."""
    return _DUE - timedelta(minutes=number)


def _assignments() -> list[str]:
    return [f"ps{number + 1}" for number in range(ASSIGNMENTS)]


def _folders(directory: Path, assignment: str, people: list[str]) -> None:
    small = json.dumps(page_of_cells(2, CELLS))
    for folder in ("source", "release"):
        (directory / folder / assignment).mkdir(parents=True)
        (directory / folder / assignment / f"{NOTEBOOK}.ipynb").write_text(small)
    for number, student in enumerate(people):
        text = small
        if assignment == ASSIGNMENT:
            text = json.dumps(page_of_cells(15, CELLS, author=f"{student}, {number}"))
        for folder in ("submitted", "autograded"):
            made = directory / folder / student / assignment
            made.mkdir(parents=True)
            (made / f"{NOTEBOOK}.ipynb").write_text(text)
            (made / "timestamp.txt").write_text(f"{_submitted(number)} UTC")


class _Rows:
    """The rows of the gradebook, in an order that foreign keys allow."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def _id(self) -> str:
        return UUID(int=self._chance.getrandbits(128)).hex

    def of_course(self, people: list[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        names = ("Ada", "Émile", "Grace", "Łukasz", "Noor")
        yield (
            "Student",
            [
                {
                    "id": student,
                    "first_name": self._chance.choice(names),
                    "last_name": f"Family {number:04}",
                    "email": f"{student}@example.org",
                }
                for number, student in enumerate(people)
            ],
        )
        for assignment in _assignments():
            yield from self._of_assignment(assignment, people)

    def _of_assignment(
        self, assignment: str, people: list[str]
    ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        ids = {kind: self._id() for kind in ("assignment", "notebook")}
        yield (
            "Assignment",
            [
                {
                    "id": ids["assignment"],
                    "name": assignment,
                    "duedate": _DUE,
                    "course_id": COURSE,
                }
            ],
        )
        yield (
            "Notebook",
            [
                {
                    "id": ids["notebook"],
                    "name": NOTEBOOK,
                    "assignment_id": ids["assignment"],
                    "kernelspec": "{}",
                }
            ],
        )
        cells = {f"code{number}": self._id() for number in range(CELLS)}
        solutions = {name: self._id() for name in cells}
        common = [
            {"id": one, "name": name, "notebook_id": ids["notebook"], "type": kind}
            for kind, found in (("GradeCell", cells), ("SolutionCell", solutions))
            for name, one in found.items()
        ]
        yield "BaseCell", common
        yield (
            "GradeCell",
            [{"id": one, "max_score": 3.0, "cell_type": "code"} for one in cells.values()],
        )
        yield "SolutionCell", [{"id": one} for one in solutions.values()]
        submitted = {student: (self._id(), self._id()) for student in people}
        yield (
            "SubmittedAssignment",
            [
                {
                    "id": sent,
                    "assignment_id": ids["assignment"],
                    "student_id": student,
                    "timestamp": _submitted(number),
                }
                for number, (student, (sent, _)) in enumerate(submitted.items())
            ],
        )
        yield (
            "SubmittedNotebook",
            [
                {
                    "id": notebook,
                    "assignment_id": sent,
                    "notebook_id": ids["notebook"],
                    "flagged": False,
                    "late_submission_penalty": None,
                }
                for sent, notebook in submitted.values()
            ],
        )
        yield (
            "Grade",
            [
                self._grade(notebook, cell)
                for _, notebook in submitted.values()
                for cell in cells.values()
            ],
        )
        yield (
            "Comment",
            [
                {
                    "id": self._id(),
                    "notebook_id": notebook,
                    "cell_id": cell,
                    "auto_comment": None,
                    "manual_comment": "Well done." if self._chance.random() < 0.2 else None,
                }
                for _, notebook in submitted.values()
                for cell in solutions.values()
            ],
        )

    def _grade(self, notebook: str, cell: str) -> dict[str, Any]:
        graded = self._chance.random() < 0.7
        return {
            "id": self._id(),
            "notebook_id": notebook,
            "cell_id": cell,
            "auto_score": None,
            "manual_score": float(self._chance.randrange(4)) if graded else None,
            "extra_credit": None,
            "needs_manual_grade": not graded,
        }


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    make_course(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
