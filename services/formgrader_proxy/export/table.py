"""All grades as CSV: a row for each student and assignment. Pure.

The columns begin with those of ``nbgrader export`` (``CsvExportPlugin`` in
``nbgrader/plugins/export.py``), with the same meaning. Unlike there, the scores of an assignment
that was not submitted are empty unless the options say otherwise.
"""

from collections.abc import Iterator
from typing import Any

from services.formgrader_proxy.export.grades import Assignment, Grades, Student, Submission
from services.formgrader_proxy.export.numbers import number
from services.formgrader_proxy.export.options import Missing, Options

HEADER = (
    "assignment",
    "duedate",
    "timestamp",
    "student_id",
    "last_name",
    "first_name",
    "email",
    "raw_score",
    "late_submission_penalty",
    "score",
    "max_score",
    "extra_credit",
    "submitted",
    "autograded",
    "needs_manual_grade",
    "lms_user_id",
)


def rows(grades: Grades, options: Options) -> Iterator[tuple[Any, ...]]:
    """The header, and a row for each student and assignment."""
    yield HEADER
    submissions = grades.by_student()
    students = grades.all_students()
    for assignment in grades.assignments:
        for student in students:
            submission = submissions.get((student.id, assignment.name))
            yield _row(assignment, student, submission, options)


def _row(
    assignment: Assignment, student: Student, submission: Submission | None, options: Options
) -> tuple[Any, ...]:
    scores: tuple[float | None, ...]  # raw score, penalty, score, extra credit
    if submission is None:
        scores = (0.0,) * 4 if options.missing is Missing.ZERO else (None,) * 4
    elif submission.raw_score is None:
        scores = (None,) * 4
    else:
        penalty, extra = submission.late_submission_penalty, submission.extra_credit
        scores = (submission.raw_score, penalty, submission.score, extra)
    raw, penalty_cell, score, extra_cell = map(number, scores)
    return (
        assignment.name,
        assignment.duedate,
        submission.timestamp if submission else None,
        student.id,
        student.last_name,
        student.first_name,
        student.email,
        raw,
        penalty_cell,
        score,
        number(assignment.max_score),
        extra_cell,
        _yes(submission is not None),
        _yes(submission is not None and submission.autograded),
        _yes(submission is not None and submission.needs_manual_grade),
        student.lms_user_id,
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
