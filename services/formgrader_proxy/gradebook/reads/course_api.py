"""nbgrader's API with the answers read quickly. The answers themselves are nbgrader's.

Most of nbgrader's own code stays in use, on a faster gradebook. Only what it does for the whole
course to find out about one student is replaced.
"""

import os
from datetime import datetime
from typing import Any

from nbgrader.api import MissingEntry, Student
from nbgrader.apps.api import NbGraderAPI
from nbgrader.utils import as_timezone

from services.formgrader_proxy.gradebook.database.opened import gradebook_engine
from services.formgrader_proxy.gradebook.reads import folders
from services.formgrader_proxy.gradebook.reads.fast_gradebook import FastGradebook


class CourseAPI(NbGraderAPI):  # type: ignore[misc]  # nbgrader has no types
    """For one request: it reads the folders of all submissions once."""

    _submissions: dict[str, set[str]] | None = None

    @property
    def gradebook(self) -> FastGradebook:
        """A new session, which the caller closes."""
        return FastGradebook(
            gradebook_engine(self.coursedir.db_url, self.course_id), self.course_id
        )

    def get_submitted_students(self, assignment_id: str) -> set[str]:
        """The ids of students with a folder for the assignment; ``*`` is any assignment."""
        folder = folders.submissions_folder(self.coursedir)
        if folder is None or not (assignment_id == "*" or folders.is_plain(assignment_id)):
            found: set[str] = super().get_submitted_students(assignment_id)
            return found
        if assignment_id == "*":
            return set().union(*self._all_submissions(folder).values())
        if self._submissions is not None and not assignment_id.startswith("."):
            return self._submissions.get(assignment_id, set())
        return folders.students_with(folder, assignment_id)

    def get_assignments(self) -> list[dict[str, Any]]:
        """All assignments, with one pass over the folders."""
        if (folder := folders.submissions_folder(self.coursedir)) is not None:
            self._all_submissions(folder)
        found: list[dict[str, Any]] = super().get_assignments()
        return found

    def get_student(self, student_id: str, submitted: Any = None) -> dict[str, Any] | None:
        """One student, also one who is only known from a folder; None if there is no such."""
        if submitted is None:
            with self.gradebook as gradebook:
                try:
                    gradebook.find_student(student_id)
                    submitted = set()  # not needed
                except MissingEntry:
                    submitted = None
        found: dict[str, Any] | None = super().get_student(student_id, submitted)
        return found

    def get_submission(
        self, assignment_id: str, student_id: str, ungraded: Any = None, students: Any = None
    ) -> dict[str, Any] | None:
        """A student's submission of an assignment."""
        if ungraded is not None or students is not None or not self._reads_one(assignment_id):
            found: dict[str, Any] | None = super().get_submission(
                assignment_id, student_id, ungraded=ungraded, students=students
            )
            return found
        with self.gradebook as gradebook:
            known = gradebook.student_submissions(student_id, assignment_id)
            return self._submission(assignment_id, student_id, known, _names(gradebook, student_id))

    def get_student_submissions(self, student_id: str) -> list[dict[str, Any]]:
        """A student's submissions of all assignments."""
        names = self.get_source_assignments()
        if not all(map(self._reads_one, names)):
            found: list[dict[str, Any]] = super().get_student_submissions(student_id)
            return found
        with self.gradebook as gradebook:
            known = gradebook.student_submissions(student_id)
            person = _names(gradebook, student_id)
            return [self._submission(name, student_id, known, person) for name in sorted(names)]

    def _all_submissions(self, folder: str) -> dict[str, set[str]]:
        if self._submissions is None:
            self._submissions = folders.all_submissions(folder)
        return self._submissions

    def _reads_one(self, assignment: str) -> bool:
        """Whether one student's submission can be found without listing all."""
        folder = folders.submissions_folder(self.coursedir)
        return folder is not None and folders.is_plain(assignment)

    def _submission(
        self, assignment: str, student: str, known: dict[str, Any], names: dict[str, Any]
    ) -> dict[str, Any]:
        """The rules of nbgrader's ``get_submission``, for one student."""
        course, stored = self.coursedir, known.get(assignment)
        submitted = folders.is_listed(student) and os.path.isdir(
            course.format_path(course.submitted_directory, student, assignment)
        )
        time = self.get_submitted_timestamp(assignment, student)
        if (
            stored is not None
            and os.path.isdir(course.format_path(course.autograded_directory, student, assignment))
            and stored.timestamp == time
        ):
            values: dict[str, Any] = stored.to_dict()
            return values | {
                "display_timestamp": self._display(stored.timestamp),
                "autograded": True,
                "submitted": True,
            }
        return {
            "id": None,
            "name": assignment,
            "timestamp": time.isoformat() if submitted and time else None,
            "display_timestamp": self._display(time) if submitted else None,
            **dict.fromkeys(_ZERO, 0.0),
            "needs_manual_grade": False,
            "autograded": False,
            "submitted": submitted,
            "student": student,
            **names,
        }

    def _display(self, time: datetime | None) -> str | None:
        if time is None:
            return None
        return str(as_timezone(time, self.timezone).strftime(self.timestamp_format))


def _names(gradebook: FastGradebook, student: str) -> dict[str, Any]:
    found = gradebook.db.get(Student, student)
    return {
        "last_name": None if found is None else found.last_name,
        "first_name": None if found is None else found.first_name,
    }


_ZERO = (
    *("score", "max_score", "code_score", "max_code_score", "written_score"),
    *("max_written_score", "task_score", "max_task_score"),
)
