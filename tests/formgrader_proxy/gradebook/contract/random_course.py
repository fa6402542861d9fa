"""Courses with everything that can happen to a submission, made at random from a seed."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    GradeCell,
    Notebook,
    SolutionCell,
    SourceCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)

from tests.formgrader_proxy.gradebook.gradebooks import new_gradebook

ASSIGNMENTS = (
    "ps1",
    "ps-2.b",
    "Übung 1",
    "final, part #2",
    "作业",
    "ps1 ",
    "a+b",
    "ps[1]",
    ".draft",
)
STUDENTS = ("ana", "ben", "Zoë", "a.b-c@uni", "学生", "o'neil", "x_1", "né", "mallory", "9", ".dot")
NAMES = (None, "", "Ana", "Øystein", "Ana", "李", "None", 'O"Neil')
START = datetime(2026, 1, 15, 12)  # noqa: DTZ001  # nbgrader stores UTC without a zone


@dataclass
class RandomCourse:
    """A course in a directory, with its gradebook at ``url``."""

    root: Path
    url: str
    seed: int
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311  # the same course each time

    def make(self, *, students: int = 9, assignments: int = 5) -> None:
        """Create the gradebook and the folders."""
        dice = self.dice
        self.root.mkdir(parents=True, exist_ok=True)
        with new_gradebook(self.url) as gradebook:
            self.db = gradebook.db
            people = dice.sample(STUDENTS, min(students, len(STUDENTS)))
            stored = [one for one in people if dice.random() < 0.8]
            for one in stored:
                self.db.add(self._student(one))
            self.db.flush()
            for name in dice.sample(ASSIGNMENTS, min(assignments, len(ASSIGNMENTS))):
                self._assignment(name, people, stored)
            self.db.commit()
        self._clutter()

    def _student(self, key: str) -> Student:
        dice = self.dice
        return Student(
            id=key,
            first_name=dice.choice(NAMES),
            last_name=dice.choice(NAMES),
            email=dice.choice([None, f"{key}@example.org"]),
            lms_user_id=dice.choice([None, "17"]),
        )

    def _assignment(self, name: str, people: list[str], stored: list[str]) -> None:
        dice = self.dice
        known, in_source = dice.random() < 0.85, dice.random() < 0.85
        titles = [f"p{number}" for number in range(dice.choice([0, 1, 1, 2, 3]))]
        titles = [title if dice.random() < 0.8 else f"Aufgabe ü {title}" for title in titles]
        if in_source:
            for title in titles:
                self._write("source", ".", name, f"{title}.ipynb")
            (self.root / "source" / name).mkdir(parents=True, exist_ok=True)
        if dice.random() < 0.5:
            (self.root / "release" / name).mkdir(parents=True, exist_ok=True)
        cells: dict[str, Any] = {}
        assignment = None
        if known:
            assignment = Assignment(name=name, course_id="course101")
            assignment.duedate = dice.choice([None, START, START + timedelta(days=3)])
            self.db.add(assignment)
            self.db.flush()
            cells = {title: self._notebook(title, assignment) for title in titles}
        for student in people:
            self._submission(name, student, assignment if student in stored else None, cells)

    def _notebook(self, title: str, assignment: Assignment) -> tuple[Notebook, list[Any]]:
        dice = self.dice
        notebook = Notebook(name=title, assignment_id=assignment.id)
        self.db.add(notebook)
        self.db.flush()
        cells: list[Any] = []
        for number in range(dice.choice([0, 1, 3, 6])):
            kind = dice.choice(["code", "markdown", "task", "odd task", "solution"])
            shared = {"name": f"c{number}", "notebook_id": notebook.id}
            most = dice.choice([0, 1, 2.5, 3, 10])
            if kind == "solution":
                cells.append(SolutionCell(**shared))
            elif kind.endswith("task"):
                of = "code" if kind == "odd task" else "markdown"
                cells.append(TaskCell(**shared, max_score=most, cell_type=of))
            else:
                cells.append(GradeCell(**shared, max_score=most, cell_type=kind))
        self.db.add(SourceCell(name="c0", notebook_id=notebook.id, cell_type="code"))
        self.db.add_all(cells)
        self.db.flush()
        return notebook, cells

    def _submission(
        self, name: str, student: str, assignment: Assignment | None, cells: dict[str, Any]
    ) -> None:
        dice = self.dice
        time: datetime | None = START + timedelta(minutes=dice.randrange(10_000))
        if dice.random() < 0.1:
            time = None
        state = dice.choice(["none", "submitted", "graded", "graded", "graded", "again", "stored"])
        if state == "none":
            return
        if state != "stored":
            for title in cells:
                self._write("submitted", student, name, f"{title}.ipynb")
            (self.root / "submitted" / student / name).mkdir(parents=True, exist_ok=True)
            seen = time + timedelta(hours=1) if time and state == "again" else time
            if seen is not None:
                self._write("submitted", student, name, "timestamp.txt", text=f"{seen} UTC")
        if state == "submitted" or assignment is None:
            if dice.random() < 0.1:  # of a student who was removed from the gradebook
                (self.root / "autograded" / student / name).mkdir(parents=True, exist_ok=True)
            return
        if state != "stored" or dice.random() < 0.5:
            (self.root / "autograded" / student / name).mkdir(parents=True, exist_ok=True)
        submission = SubmittedAssignment(
            assignment_id=assignment.id,
            student_id=student,
            timestamp=time,
            extension=dice.choice([None, timedelta(days=1)]),
        )
        self.db.add(submission)
        self.db.flush()
        for title, (notebook, graded) in cells.items():
            if dice.random() < 0.1:
                continue
            if dice.random() < 0.85:
                self._write("autograded", student, name, f"{title}.ipynb")
            copy = SubmittedNotebook(
                assignment_id=submission.id,
                notebook_id=notebook.id,
                flagged=dice.choice([None, False, True]),
                late_submission_penalty=dice.choice([None, 0.0, 1.5]),
            )
            self.db.add(copy)
            self.db.flush()
            for cell in graded:
                self._grade(copy, cell)

    def _grade(self, copy: SubmittedNotebook, cell: Any) -> None:
        dice = self.dice
        if isinstance(cell, SolutionCell):
            self.db.add(Comment(notebook_id=copy.id, cell_id=cell.id, auto_comment="No response."))
            return
        if dice.random() < 0.05:
            return
        self.db.add(
            Grade(
                notebook_id=copy.id,
                cell_id=cell.id,
                auto_score=dice.choice([None, 0, 0.1, 1, cell.max_score]),
                manual_score=dice.choice([None, None, 0, 0.7, 2.25]),
                extra_credit=dice.choice([None, None, 0.3, 2]),
                needs_manual_grade=dice.random() < 0.2,
            )
        )

    def _clutter(self) -> None:
        """Files and folders that are nobody's submission."""
        for step in ("source", "submitted"):
            self._write(step, ".", "notes.txt")
            (self.root / step / ".hidden" / "ps1").mkdir(parents=True, exist_ok=True)
        self._write("submitted", "ana", "readme.txt")
        (self.root / "submitted" / "ana" / ".ipynb_checkpoints").mkdir(exist_ok=True)
        (self.root / "submitted" / "new\nline" / "ps1").mkdir(parents=True)
        if self.dice.random() < 0.5:
            elsewhere = self.root / "elsewhere" / "ps1"
            elsewhere.mkdir(parents=True)
            (self.root / "submitted" / "linked").symlink_to(elsewhere.parent)
            (self.root / "submitted" / "broken").symlink_to(self.root / "missing")

    def _write(self, *parts: str, text: str = "") -> None:
        path = self.root.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
