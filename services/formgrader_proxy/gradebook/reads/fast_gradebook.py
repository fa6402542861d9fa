"""nbgrader's gradebook with fewer and cheaper queries for the same answers."""

from dataclasses import dataclass
from typing import Any

from nbgrader.api import Assignment, Student, SubmittedAssignment
from sqlalchemy import Engine
from sqlalchemy.orm import contains_eager, undefer

from services.formgrader_proxy.gradebook.database.sessions import RequestGradebook
from services.formgrader_proxy.gradebook.reads import scores


@dataclass(frozen=True)
class StudentKey:
    """A student, as far as lists of notebooks need it."""

    id: str


@dataclass(frozen=True)
class NotebookCopy:
    """A submitted notebook, as far as nbgrader's lists and links to the next one need it."""

    id: str
    name: str
    student: StudentKey
    failed_tests: bool


#: The values of a submission that nbgrader reads one by one.
_SUBMISSION = (
    *("score", "max_score", "code_score", "max_code_score", "written_score"),
    *("max_written_score", "task_score", "needs_manual_grade"),
)
#: The sums of :func:`.scores.totals`.
_KINDS = ("all", "graded", "code", "written", "tasks", "task")


class FastGradebook(RequestGradebook):
    """Each method has nbgrader's contract."""

    def __init__(self, engine: Engine, course_id: str, *, changes: bool = False) -> None:
        super().__init__(engine, course_id, changes=changes)
        self._read: dict[str, dict[str, dict[str, float]]] = {}

    def find_assignment(self, name: str) -> Any:
        """:raises MissingEntry: there is no such assignment"""
        # Into the session, so that nbgrader's own query finds it with all its values.
        columns = [getattr(Assignment, f"max_{kind}score") for kind in ("", "code_", "written_")]
        self.db.query(Assignment).options(
            *map(undefer, (*columns, Assignment.num_submissions))
        ).filter(Assignment.name == name).all()
        return super().find_assignment(name)

    def student_dicts(self) -> list[dict[str, Any]]:
        """All students, with their scores."""
        # nbgrader adds the maximum scores once for each student.
        most = float(sum(one.max_score for one in self.db.query(Assignment).all()))
        keys = ("id", "first_name", "last_name", "email", "score", "max_score", "lms_user_id")
        return [
            dict(zip(keys, (*row[:5], most, row[5]), strict=True))
            for row in self.db.execute(scores.students())
        ]

    def submission_dicts(self, assignment_id: str) -> list[dict[str, Any]]:
        """The submissions of an assignment that have grades."""
        keys = ("id", "name", "timestamp", "first_name", "last_name", "student")
        return [
            dict(zip(keys, (key, assignment_id, time, first, last, student), strict=True))
            | _scores(rest[:6])
            | {"needs_manual_grade": bool(rest[6])}
            for key, time, student, first, last, *rest in self.db.execute(
                scores.submissions(assignment_id)
            )
        ]

    def notebook_submission_dicts(
        self, notebook_id: str, assignment_id: str
    ) -> list[dict[str, Any]]:
        """The submissions of a notebook that have grades."""
        keys = ("id", "name", "student", "first_name", "last_name")
        return [
            dict(zip(keys, (key, notebook_id, student, first, last), strict=True))
            | _scores(rest[:6])
            | {
                "needs_manual_grade": bool(rest[6]),
                "failed_tests": bool(rest[7]),
                "flagged": rest[8],
            }
            for key, student, first, last, *rest in self.db.execute(
                scores.notebook_submissions(notebook_id, assignment_id)
            )
        ]

    def notebook_submissions(self, notebook: str, assignment: str) -> list[NotebookCopy]:
        """All submissions of a notebook."""
        return [
            NotebookCopy(key, notebook, StudentKey(student), bool(failed))
            for key, student, failed in self.db.execute(scores.copies(notebook, assignment))
        ]

    def average_assignment_score(self, assignment_id: str) -> float:
        """:raises MissingEntry: there is no such assignment"""
        return self._of_assignment(assignment_id, "graded", "tasks")

    def average_assignment_code_score(self, assignment_id: str) -> float:
        """:raises MissingEntry: there is no such assignment"""
        return self._of_assignment(assignment_id, "code")

    def average_assignment_written_score(self, assignment_id: str) -> float:
        """:raises MissingEntry: there is no such assignment"""
        return self._of_assignment(assignment_id, "written")

    def average_assignment_task_score(self, assignment_id: str) -> float:
        """:raises MissingEntry: there is no such assignment"""
        return self._of_assignment(assignment_id, "task")

    def average_notebook_score(self, notebook_id: str, assignment_id: str) -> float:
        """:raises MissingEntry: there is no such notebook"""
        return self._of_notebook(notebook_id, assignment_id, "all")

    def average_notebook_code_score(self, notebook_id: str, assignment_id: str) -> float:
        """:raises MissingEntry: there is no such notebook"""
        return self._of_notebook(notebook_id, assignment_id, "code")

    def average_notebook_written_score(self, notebook_id: str, assignment_id: str) -> float:
        """:raises MissingEntry: there is no such notebook"""
        return self._of_notebook(notebook_id, assignment_id, "written")

    def average_notebook_task_score(self, notebook_id: str, assignment_id: str) -> float:
        """:raises MissingEntry: there is no such notebook"""
        return self._of_notebook(notebook_id, assignment_id, "task")

    def student_submissions(self, student: str, assignment: str | None = None) -> dict[str, Any]:
        """A student's submissions, of all assignments or one, by the assignment's name.

        nbgrader reads each score of each submission with its own query.
        """
        columns = [getattr(SubmittedAssignment, name) for name in _SUBMISSION]
        query = (
            self.db.query(SubmittedAssignment)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .join(Student, Student.id == SubmittedAssignment.student_id)
            .options(
                contains_eager(SubmittedAssignment.assignment),
                contains_eager(SubmittedAssignment.student),
                *map(undefer, columns),
            )
            .filter(Student.id == student)
        )
        if assignment is not None:
            query = query.filter(Assignment.name == assignment)
        return {one.assignment.name: one for one in query}

    def _of_assignment(self, assignment: str, *kinds: str) -> float:
        count = super().find_assignment(assignment).num_submissions
        if count == 0:
            return 0.0
        totals = self._totals(assignment).values()
        return float(sum(sum(one[kind] for one in totals) for kind in kinds) / count)

    def _of_notebook(self, notebook: str, assignment: str, kind: str) -> float:
        count = self.find_notebook(notebook, assignment).num_submissions
        if count == 0:
            return 0.0
        return float(self._totals(assignment).get(notebook, {}).get(kind, 0.0) / count)

    def _totals(self, assignment: str) -> dict[str, dict[str, float]]:
        """The sums of an assignment's scores by notebook, read once."""
        if assignment not in self._read:
            self._read[assignment] = {
                notebook: {kind: value or 0.0 for kind, value in zip(_KINDS, values, strict=True)}
                for notebook, *values in self.db.execute(scores.totals(assignment))
            }
        return self._read[assignment]


def _scores(sums: list[float | None]) -> dict[str, float]:
    """The scores as nbgrader names and adds them."""
    found = dict(zip(scores.SUMS, (value or 0.0 for value in sums), strict=True))
    total = found["code_score"] + found["written_score"] + found["task_score"]
    most = found["max_code_score"] + found["max_written_score"] + found["max_task_score"]
    return {"score": total, "max_score": most} | found
