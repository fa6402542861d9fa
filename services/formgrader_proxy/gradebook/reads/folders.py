"""Which students have submitted what, from one pass over the course's folders.

nbgrader lists and matches the same folders again for each assignment and for each student.
"""

import os
import re
from glob import has_magic

from nbgrader.coursedir import CourseDirectory

_USUAL = str(CourseDirectory.directory_structure.default_value)
#: nbgrader uses an assignment's name as a pattern for files, and as a regular expression.
_PATTERN = re.compile(r"[\^$*+?{}\[\]\\|()/\n\0]")


def submissions_folder(course: CourseDirectory) -> str | None:
    """``ROOT/submitted`` if the folders in it are ``STUDENT/ASSIGNMENT``, as usual."""
    step = str(course.submitted_directory)
    if (
        course.directory_structure != _USUAL
        or has_magic(course.root)
        or not re.fullmatch(r"[\w-][\w.-]*", step)
    ):
        return None
    return f"{str(course.root).rstrip('/')}/{step}"


def is_plain(assignment: str) -> bool:
    """Whether an assignment's name only stands for itself."""
    return assignment not in {"", ".", ".."} and not _PATTERN.search(assignment)


def is_listed(student: str) -> bool:
    """Whether nbgrader finds the folder of a student with this id."""
    return not student.startswith(".") and "\n" not in student and "/" not in student


def students_with(folder: str, assignment: str) -> set[str]:
    """Those who have submitted the assignment, which has a plain name."""
    return {
        student for student in _folders(folder) if os.path.isdir(f"{folder}/{student}/{assignment}")
    }


def all_submissions(folder: str) -> dict[str, set[str]]:
    """Those who have submitted each assignment."""
    found: dict[str, set[str]] = {}
    for student in _folders(folder):
        for assignment in _folders(f"{folder}/{student}"):
            found.setdefault(assignment, set()).add(student)
    return found


def _folders(folder: str) -> list[str]:
    """The names of the folders in a folder, also by links, without hidden ones."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if is_listed(entry.name) and _is_dir(entry)]
    except OSError:
        return []


def _is_dir(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
