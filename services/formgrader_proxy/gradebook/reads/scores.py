"""Queries for sums of scores. Each reads the grades it needs once, by their indexes.

nbgrader joins the same tables once for every kind of cell, over all assignments of the course.
"""

from typing import Any

from nbgrader.api import (
    Assignment,
    BaseCell,
    Grade,
    GradeCell,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)
from sqlalchemy import Select, and_, case, func, select

# The tables, because the classes of the cells would join the table of all cells, too.
_graded = GradeCell.__table__
_tasks = TaskCell.__table__
_cells = BaseCell.__table__

_CODE = _graded.c.cell_type == "code"
_WRITTEN = _graded.c.cell_type == "markdown"
_TASK = _tasks.c.cell_type == "markdown"
_FAILED = and_(_CODE, Grade.auto_score < _graded.c.max_score)

#: The names of the columns of :func:`submissions` and :func:`notebook_submissions` that are sums.
SUMS = (
    *("code_score", "max_code_score", "written_score", "max_written_score"),
    *("task_score", "max_task_score"),
)


def _sums() -> list[Any]:
    """Scores and maximum scores by the kind of cell. NULL without such a cell."""
    return [
        func.sum(case((kind, value)))
        for kind, table in ((_CODE, _graded), (_WRITTEN, _graded), (_TASK, _tasks))
        for value in (Grade.score, table.c.max_score)
    ]


def _any(condition: Any) -> Any:
    return func.max(case((condition, 1), else_=0))


def submissions(assignment: str) -> Select[Any]:
    """Of each submission that has grades: id, timestamp, the student's id and names, the sums,
    and whether it needs manual grading (0 or 1)."""
    return (
        select(
            *(SubmittedAssignment.id, SubmittedAssignment.timestamp),
            *(Student.id, Student.first_name, Student.last_name),
            *_sums(),
            _any(Grade.needs_manual_grade),
        )
        .select_from(Assignment)
        .join(SubmittedAssignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(Student, Student.id == SubmittedAssignment.student_id)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .outerjoin(_graded, _graded.c.id == Grade.cell_id)
        .outerjoin(_tasks, _tasks.c.id == Grade.cell_id)
        .where(Assignment.name == assignment)
        .group_by(
            *(SubmittedAssignment.id, SubmittedAssignment.timestamp),
            *(Student.id, Student.first_name, Student.last_name),
        )
        .having(_has_scores())
    )


def notebook_submissions(notebook: str, assignment: str) -> Select[Any]:
    """Of each submission of a notebook that has grades: id, the student's id and names, the sums,
    whether it needs manual grading, whether tests failed (0 or 1), and whether it is flagged."""
    return (
        select(
            *(SubmittedNotebook.id, Student.id, Student.first_name, Student.last_name),
            *_sums(),
            *(_any(Grade.needs_manual_grade), _any(_FAILED), SubmittedNotebook.flagged),
        )
        .select_from(Assignment)
        .join(Notebook, Notebook.assignment_id == Assignment.id)
        .join(SubmittedNotebook, SubmittedNotebook.notebook_id == Notebook.id)
        .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
        .join(Student, Student.id == SubmittedAssignment.student_id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .outerjoin(_graded, _graded.c.id == Grade.cell_id)
        .outerjoin(_tasks, _tasks.c.id == Grade.cell_id)
        .where(Assignment.name == assignment, Notebook.name == notebook)
        .group_by(
            *(SubmittedNotebook.id, Student.id, Student.first_name, Student.last_name),
            SubmittedNotebook.flagged,
        )
        .having(_has_scores())
    )


def copies(notebook: str, assignment: str) -> Select[Any]:
    """Of every submission of a notebook: id, student's id, and whether tests failed (0 or 1)."""
    failed = (
        select(Grade.id)
        .join(_graded, _graded.c.id == Grade.cell_id)
        .where(Grade.notebook_id == SubmittedNotebook.id, _FAILED)
        .exists()
    )
    return (
        select(SubmittedNotebook.id, SubmittedAssignment.student_id, case((failed, 1), else_=0))
        .select_from(SubmittedNotebook)
        .join(Notebook, Notebook.id == SubmittedNotebook.notebook_id)
        .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .where(Assignment.name == assignment, Notebook.name == notebook)
    )


def students() -> Select[Any]:
    """Of every student: id, names, e-mail address, score, and the id in a learning platform."""
    scores = (
        select(SubmittedAssignment.student_id, func.sum(Grade.score).label("score"))
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .group_by(SubmittedAssignment.student_id)
        .subquery()
    )
    return select(
        *(Student.id, Student.first_name, Student.last_name, Student.email),
        *(func.coalesce(scores.c.score, 0.0), Student.lms_user_id),
    ).outerjoin(scores, scores.c.student_id == Student.id)


def totals(assignment: str) -> Select[Any]:
    """Of each notebook: name, and the sums of all its grades as (all, graded cells, code, written,
    task cells of any type, task), None without such a cell."""
    return (
        select(
            Notebook.name,
            func.sum(Grade.score),
            *(
                func.sum(case((kind, Grade.score)))
                for kind in (_graded.c.id.is_not(None), _CODE, _WRITTEN, _tasks.c.id.is_not(None))
            ),
            func.sum(case((_TASK, Grade.score))),
        )
        .select_from(Assignment)
        .join(Notebook, Notebook.assignment_id == Assignment.id)
        .join(_cells, _cells.c.notebook_id == Notebook.id)
        .join(Grade, Grade.cell_id == _cells.c.id)
        .outerjoin(_graded, _graded.c.id == _cells.c.id)
        .outerjoin(_tasks, _tasks.c.id == _cells.c.id)
        .where(Assignment.name == assignment)
        .group_by(Notebook.name)
    )


def _has_scores() -> Any:
    """Whether a group has a grade of a cell that counts."""
    return func.count(case((_CODE, 1), (_WRITTEN, 1), (_TASK, 1))) > 0
