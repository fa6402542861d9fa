"""All grades of a course, with one query per table.

The scores are sums over nbgrader's own expressions, so they agree with ``nbgrader export``.
"""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from nbgrader.api import Assignment as AssignmentRow
from nbgrader.api import Grade, SubmittedAssignment, SubmittedNotebook
from nbgrader.api import Student as StudentRow
from sqlalchemy import Integer, case, cast, create_engine, func, or_, select
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.orm import Session

from services.formgrader_proxy.export.grades import Assignment, Grades, Student, Submission
from services.formgrader_proxy.gradebook.grades.folders import Folders, find_folders, readable


class NoGradebook(Exception):
    """The course has no gradebook yet. None is created."""


def read_grades(course: Any) -> Grades:
    """The grades in the gradebook of nbgrader's ``CourseDirectory``, with ungraded submissions.

    :raises NoGradebook: there is none
    :raises sqlalchemy.exc.SQLAlchemyError: it cannot be read
    """
    url = make_url(course.db_url)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise NoGradebook("The course has no gradebook yet.")
    engine = create_engine(url)
    try:
        with Session(engine) as session, closing(session.connection()) as connection:
            students = _students(connection)
            assignments = _assignments(session)
            graded = tuple(_graded(connection))
    finally:
        engine.dispose()
    folders = find_folders(course, [one.name for one in assignments])
    return Grades(students, assignments, _submissions(graded, folders))


def _students(connection: Connection) -> tuple[Student, ...]:
    columns = (
        StudentRow.id,
        StudentRow.last_name,
        StudentRow.first_name,
        StudentRow.email,
        StudentRow.lms_user_id,
    )
    order = (StudentRow.last_name, StudentRow.first_name, StudentRow.id)
    rows = connection.execute(select(*columns).order_by(*order))
    return tuple(Student(*row) for row in rows)


def _assignments(session: Session) -> tuple[Assignment, ...]:
    columns = (AssignmentRow.name, AssignmentRow.max_score, AssignmentRow.duedate)
    rows = session.execute(select(*columns).order_by(AssignmentRow.duedate, AssignmentRow.name))
    return tuple(Assignment(*row) for row in rows)


def _graded(connection: Connection) -> Iterable[Submission]:
    """The submissions in the gradebook. ``autograded`` is not known yet."""
    scored = or_(Grade.manual_score.is_not(None), Grade.auto_score.is_not(None))
    extra = case((scored, func.coalesce(Grade.extra_credit, 0.0)), else_=0.0)
    sums = (
        select(
            SubmittedNotebook.assignment_id,
            func.sum(Grade.score),
            func.sum(extra),
            func.max(cast(Grade.needs_manual_grade, Integer)),
        )
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .group_by(SubmittedNotebook.assignment_id)
    )
    scores = {row[0]: row[1:] for row in connection.execute(sums)}
    penalty = func.coalesce(func.sum(SubmittedNotebook.late_submission_penalty), 0.0)
    by_submission = select(SubmittedNotebook.assignment_id, penalty)
    rows = connection.execute(by_submission.group_by(SubmittedNotebook.assignment_id))
    penalties = {row[0]: row[1] for row in rows}
    names = {
        row[0]: row[1] for row in connection.execute(select(AssignmentRow.id, AssignmentRow.name))
    }
    submissions = select(
        SubmittedAssignment.id,
        SubmittedAssignment.student_id,
        SubmittedAssignment.assignment_id,
        SubmittedAssignment.timestamp,
    )
    for found, student, assignment, timestamp in connection.execute(submissions):
        score, extra_credit, manual = scores.get(found, (0.0, 0.0, 0))
        yield Submission(
            student,
            names[assignment],
            timestamp,
            score,
            extra_credit,
            penalties.get(found, 0.0),
            bool(manual),
        )


def _submissions(graded: Iterable[Submission], folders: Folders) -> tuple[Submission, ...]:
    """Those in the gradebook, and those that are folders only."""
    found: list[Submission] = []
    seen = set()
    for one in graded:
        key = (one.student, one.assignment)
        seen.add(key)
        changes: dict[str, Any] = {
            name: getattr(one, name) for name in one.__struct_fields__ if name != "autograded"
        }
        autograded = folders.is_autograded(*key, one.timestamp)
        found.append(Submission(**changes, autograded=autograded))
    only_folders = sorted(folders.submitted - seen)
    found += [
        Submission(readable(student), assignment, folders.timestamp(student, assignment))
        for student, assignment in only_folders
    ]
    return tuple(found)
