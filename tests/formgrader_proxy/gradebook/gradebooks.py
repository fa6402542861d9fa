"""Gradebooks for tests: made by nbgrader, on SQLite and PostgreSQL."""

from pathlib import Path

import pytest
from nbgrader.api import (
    Assignment,
    Base,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    Notebook,
    SolutionCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import create_engine


def new_gradebook(url: str) -> Gradebook:
    """An open gradebook, empty if it is new.

    Without a version of its schema: nbgrader starts another program to find it.
    """
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    return Gradebook(url, "course101")


def one_submission(gradebook: Gradebook, student: str = "ana") -> None:
    """An assignment with a graded cell and a solution, and a submission of it."""
    db = gradebook.db
    assignment = Assignment(name="ps1", course_id="course101")
    notebook = Notebook(name="p1", assignment=assignment)
    graded = GradeCell(name="sum", notebook=notebook, max_score=3, cell_type="code")
    solution = SolutionCell(name="why", notebook=notebook)
    db.add_all([Student(id=student), assignment, notebook, graded, solution])
    db.flush()
    submission = SubmittedAssignment(assignment_id=assignment.id, student_id=student)
    db.add(submission)
    db.flush()
    copy = SubmittedNotebook(assignment_id=submission.id, notebook_id=notebook.id)
    db.add(copy)
    db.flush()
    db.add(Grade(notebook_id=copy.id, cell_id=graded.id))
    db.add(Comment(notebook_id=copy.id, cell_id=solution.id))
    db.commit()


def address_of(request: pytest.FixtureRequest, directory: Path) -> str:
    """The address for a gradebook in the database that the fixture's parameter names."""
    if request.param == "sqlite":
        return f"sqlite:///{directory / 'gradebook.db'}"
    pytest.importorskip("psycopg2")
    served: str = request.getfixturevalue("postgres_url")
    return served.replace("postgresql:", "postgresql+psycopg2:", 1)
