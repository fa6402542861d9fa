"""Which submissions exist as folders, with one pass over the course's directories.

nbgrader's own lists look at each student and assignment separately. What counts as submitted and
as autograded is the same as in its ``get_submitted_students`` and ``get_autograded_students``.
"""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from glob import escape, glob
from pathlib import Path
from typing import Any

from services.formgrader_proxy.autograding import timestamps

#: A student's id and the name of an assignment.
Key = tuple[str, str]
#: nbgrader's default, for which this module knows where everything is.
_USUAL = os.path.join("{nbgrader_step}", "{student_id}", "{assignment_id}")


@dataclass
class Folders:
    """The folders of a course. Times of submission are read when they are needed."""

    course: Any
    submitted: frozenset[Key] = frozenset()
    autograded: frozenset[Key] = frozenset()
    _times: dict[Key, datetime | None] = field(default_factory=dict)

    def timestamp(self, student: str, assignment: str) -> datetime | None:
        """When the latest version was submitted, in UTC without a zone; None if unknown."""
        key = (student, assignment)
        if key not in self._times:
            steps = self.course.submitted_directory
            folder = Path(self.course.format_path(steps, student, assignment))
            self._times[key] = timestamps.read(folder.absolute(), self.course.log)
        return self._times[key]

    def is_autograded(self, student: str, assignment: str, timestamp: datetime | None) -> bool:
        """Whether the version of this time is autograded, and the student's latest."""
        key = (student, assignment)
        return key in self.autograded and self.timestamp(*key) == timestamp


def find_folders(course: Any, assignments: Collection[str]) -> Folders:
    """The folders of these assignments in nbgrader's ``CourseDirectory``."""
    if course.directory_structure != _USUAL:
        submitted = _one_by_one(course, course.submitted_directory, assignments)
        autograded = _one_by_one(course, course.autograded_directory, assignments)
        return Folders(course, frozenset(submitted), frozenset(autograded))
    names = frozenset(assignments)
    return Folders(
        course,
        frozenset(_walk(Path(course.root, course.submitted_directory), names)),
        frozenset(_walk(Path(course.root, course.autograded_directory), names)),
    )


def source_assignments(course: Any) -> set[str]:
    """The assignments with a source folder, as in nbgrader's ``get_source_assignments``."""
    step = course.source_directory
    pattern = course.format_path(step, ".", "(?P<assignment>.*)", escape=True)
    paths = (path for path in glob(course.format_path(step, ".", "*")) if os.path.isdir(path))
    return {
        readable(found["assignment"]) for path in paths if (found := re.fullmatch(pattern, path))
    }


def readable(name: str) -> str:
    """The name of a folder as text: it may be no UTF-8, such as after unpacking an archive."""
    return name.encode("utf-8", "backslashreplace").decode()


def _walk(directory: Path, assignments: Collection[str]) -> Iterator[Key]:
    for student in _directories(directory):
        if not student.name.startswith("."):  # as in nbgrader's glob pattern
            for assignment in _directories(Path(student)):
                if assignment.name in assignments:
                    yield student.name, assignment.name


def _directories(directory: Path) -> Iterator["os.DirEntry[str]"]:
    try:
        with os.scandir(directory) as entries:
            yield from (entry for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return
    except NotADirectoryError:
        return


def _one_by_one(course: Any, step: str, assignments: Collection[str]) -> Iterator[Key]:
    """For another structure of the course's directories, as nbgrader does it."""
    for assignment in assignments:
        pattern = course.format_path(step, "(?P<student>.*)", re.escape(assignment), escape=True)
        for path in glob(course.format_path(step, "*", escape(assignment))):
            found = re.fullmatch(pattern, path)
            if found and os.path.isdir(path):
                yield found["student"], assignment
