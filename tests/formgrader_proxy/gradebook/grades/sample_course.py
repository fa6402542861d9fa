"""A gradebook made with nbgrader's own API, with every kind of submission."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

#: In UTC, without a zone, as nbgrader stores it.
AT = datetime(2026, 1, 15, 12, tzinfo=UTC).replace(tzinfo=None)
STAMP = "2026-01-15 12:00:00 UTC"


@contextmanager
def programs_on_path() -> Iterator[None]:
    """nbgrader runs alembic by name when it creates a gradebook."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def course_directory(root: Path, **options: Any) -> Any:
    """nbgrader's object for the course in this directory."""
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.course_id = "course101"
    config.CourseDirectory.update(options)
    return CourseDirectory(config=config)


def new_gradebook(course: Any) -> Any:
    """The gradebook with two assignments: ps1 with 3 + 5 points, and ps2 with a task cell."""
    with programs_on_path():
        gradebook = Gradebook(course.db_url, course.course_id)
    for name, task in (("ps1", False), ("ps2", True)):
        gradebook.add_assignment(name, duedate=AT)
        gradebook.add_notebook("sums", name)
        gradebook.add_grade_cell("test", "sums", name, max_score=3, cell_type="code")
        if task:
            gradebook.add_task_cell("why", "sums", name, max_score=5, cell_type="markdown")
        else:
            gradebook.add_grade_cell("why", "sums", name, max_score=5, cell_type="markdown")
    return gradebook


def submit(course: Any, student: str, assignment: str, stamp: str = STAMP) -> None:
    """The folder of a submission."""
    folder = Path(course.format_path(course.submitted_directory, student, assignment))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "timestamp.txt").write_text(stamp)


def autograde(
    course: Any, gradebook: Any, student: str, assignment: str, **scores: float | None
) -> None:
    """A graded submission. ``scores``: auto, manual, extra of the cell "why", and penalty."""
    submit(course, student, assignment)
    folder = Path(course.format_path(course.autograded_directory, student, assignment))
    folder.mkdir(parents=True)
    with warnings.catch_warnings(action="ignore", category=SAWarning):  # nbgrader's own
        submission = gradebook.add_submission(assignment, student, timestamp=AT)
    notebook = submission.notebooks[0]
    notebook.late_submission_penalty = scores.get("penalty")
    for grade in notebook.grades:
        if grade.name == "test":
            grade.auto_score, grade.needs_manual_grade = scores.get("auto", 3), False
        else:
            grade.manual_score = scores.get("manual")
            grade.extra_credit = scores.get("extra")
            grade.needs_manual_grade = scores.get("manual") is None
    gradebook.db.commit()


def sample(root: Path, **options: Any) -> Any:
    """A course whose students have submitted in every way. Closes the gradebook."""
    course = course_directory(root, **options)
    gradebook = new_gradebook(course)
    names: dict[str, tuple[str | None, str | None, str | None]] = {
        "ana": ("Ana", "Ahlers", "ana@example.org"),
        "ben": ("Ben", "=cmd|' /C calc'!A0", "ben@example.org"),
        "chloé": ("Chloé", "Übermut", None),
        "dan": (None, None, None),
        "eve": ("Eve", 'O"Hara, Jr.', "eve@example.org"),
        "-fay": ("Fay", "Fox", "+fay@example.org"),
    }
    for student, (first, last, email) in names.items():
        number = "4711" if student == "ana" else None
        gradebook.add_student(
            student, first_name=first, last_name=last, email=email, lms_user_id=number
        )
    autograde(course, gradebook, "ana", "ps1", manual=4.5, extra=2, penalty=None)
    autograde(course, gradebook, "ben", "ps1", manual=5, penalty=1.5)
    autograde(course, gradebook, "chloé", "ps1", auto=0, extra=1)  # to be graded by hand
    autograde(course, gradebook, "eve", "ps1", manual=1, penalty=50)  # more than the score
    submit(course, "eve", "ps1", "2026-01-16 12:00:00 UTC")  # again, after it was autograded
    submit(course, "dan", "ps1")  # never autograded
    submit(course, "zoe", "ps1")  # not in the gradebook
    autograde(course, gradebook, "ana", "ps2", manual=5, auto=0.1)
    autograde(course, gradebook, "-fay", "ps2", manual=0)
    gradebook.close()
    return course
