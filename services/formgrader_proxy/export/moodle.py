"""Grades for Moodle's CSV import: a row for each student, a column for each assignment. Pure.

Moodle lets the teacher choose which column identifies the students (user id, username, ID number
or email address) and to which grade item each other column belongs. An empty cell imports no grade.
A file that starts with the headers of Moodle's own export is mapped without further work.
Sources: https://docs.moodle.org/en/Grade_import and Moodle's ``grade/import/csv``.
"""

from collections.abc import Iterator
from typing import Any

from common.csv_table import Exact
from services.formgrader_proxy.export.grades import Grades
from services.formgrader_proxy.export.numbers import final_score
from services.formgrader_proxy.export.options import Options

HEADER = ("First name", "Last name", "Username", "ID number", "Email address")


def rows(grades: Grades, options: Options) -> Iterator[tuple[Any, ...]]:
    """The header, and a row for each student."""
    yield (*HEADER, *(Exact(assignment.name) for assignment in grades.assignments))
    submissions = grades.by_student()
    for student in grades.all_students():
        scores = (
            final_score(submissions.get((student.id, assignment.name)), options)
            for assignment in grades.assignments
        )
        yield (
            student.first_name,
            student.last_name,
            Exact(student.id),
            Exact(student.lms_user_id or ""),
            Exact(student.email or ""),
            *scores,
        )
