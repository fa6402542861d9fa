"""The grades of a course, as the formgrader's process reads them from the gradebook.

Scores follow nbgrader's own exporter (``nbgrader/plugins/export.py``): ``raw_score`` is the sum of
a submission's scores with extra credit, and the final ``score`` is ``raw_score`` less the late
penalty, but at least 0.
"""

from datetime import datetime

import msgspec


class Student(msgspec.Struct, frozen=True):
    """A student. ``lms_user_id`` is nbgrader's field for the id in a learning platform."""

    id: str
    last_name: str | None = None
    first_name: str | None = None
    email: str | None = None
    lms_user_id: str | None = None


class Assignment(msgspec.Struct, frozen=True):
    """An assignment. ``duedate`` is in UTC, without a zone, as nbgrader stores it."""

    name: str
    max_score: float = 0.0
    duedate: datetime | None = None


class Submission(msgspec.Struct, frozen=True):
    """A submission that exists in the gradebook, as a folder, or both.

    ``raw_score`` is None if it was never autograded. ``autograded`` is as in nbgrader's lists:
    false if the student submitted again afterwards; the scores are then those of the earlier
    version. ``timestamp`` is in UTC, without a zone.
    """

    student: str
    assignment: str
    timestamp: datetime | None = None
    raw_score: float | None = None
    extra_credit: float = 0.0
    late_submission_penalty: float = 0.0
    needs_manual_grade: bool = False
    autograded: bool = False

    @property
    def score(self) -> float | None:
        """The score after the late penalty; None if it was never autograded."""
        if self.raw_score is None:
            return None
        return max(0.0, self.raw_score - self.late_submission_penalty)

    @property
    def is_final(self) -> bool:
        """Whether nothing is left to autograde or to grade by hand."""
        return self.autograded and not self.needs_manual_grade


class Grades(msgspec.Struct, frozen=True):
    """All grades of a course. Students are in the order of nbgrader's lists."""

    students: tuple[Student, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    submissions: tuple[Submission, ...] = ()

    def of_assignment(self, name: str) -> "Grades | None":
        """The grades of one assignment only; None if there is no such assignment."""
        found = tuple(one for one in self.assignments if one.name == name)
        if not found:
            return None
        kept = tuple(one for one in self.submissions if one.assignment == name)
        return Grades(self.students, found, kept)

    def all_students(self) -> tuple[Student, ...]:
        """The students, and those who submitted but are not in the gradebook, at the end."""
        known = {one.id for one in self.students}
        others = sorted({one.student for one in self.submissions} - known)
        return (*self.students, *(Student(name) for name in others))

    def by_student(self) -> dict[tuple[str, str], Submission]:
        """The submissions by student and assignment."""
        return {(one.student, one.assignment): one for one in self.submissions}


class AssignmentWork(msgspec.Struct, frozen=True):
    """What is left to grade of one assignment, in numbers of submissions."""

    name: str
    submitted: int = 0
    needs_autograde: int = 0
    needs_manual_grade: int = 0
