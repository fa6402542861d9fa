"""Grades for Canvas's gradebook import. Pure.

The first five columns have fixed names, the others are assignments; the row "Points Possible"
contains their maximum. Canvas finds a student by ID, which is its own, then by SIS login ID or
name. It creates assignments that it does not know. An empty cell changes nothing.
Sources: "How do I import grades in the Gradebook?" in the Canvas instructor guide, and
``lib/gradebook_importer.rb`` of https://github.com/instructure/canvas-lms.
"""

from collections.abc import Iterator
from typing import Any

from common.csv_table import Exact
from services.formgrader_proxy.export.grades import Grades, Student
from services.formgrader_proxy.export.numbers import final_score, number
from services.formgrader_proxy.export.options import Options

HEADER = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
#: With the spaces of Canvas's own export.
POINTS_POSSIBLE = "    Points Possible"


def rows(grades: Grades, options: Options) -> Iterator[tuple[Any, ...]]:
    """The header, the points possible, and a row for each student."""
    yield (*HEADER, *(Exact(assignment.name) for assignment in grades.assignments))
    points = (number(assignment.max_score) for assignment in grades.assignments)
    yield (POINTS_POSSIBLE, "", "", "", "", *points)
    submissions = grades.by_student()
    for student in grades.all_students():
        scores = (
            final_score(submissions.get((student.id, assignment.name)), options)
            for assignment in grades.assignments
        )
        own_id = Exact(student.lms_user_id or "")
        yield (_name(student), own_id, "", Exact(student.id), "", *scores)


def _name(student: Student) -> str:
    """Canvas's sortable name: last name, first name."""
    return ", ".join(filter(None, (student.last_name, student.first_name))) or student.id
