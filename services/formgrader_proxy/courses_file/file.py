"""Reads the courses file, again when it changes. All problems are reported at once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from common.config.settings_file import Reload, SettingsFile, read_tables
from common.errors import ConfigError
from services.formgrader_proxy.course_folders.pattern import (
    covers_folders,
    parent_of,
    table_for,
)
from services.formgrader_proxy.course_folders.scan import Folders
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.courses_file.table import CourseTable


def load_courses(
    text: str,
    *,
    instructors: frozenset[str] = frozenset(),
    root: bool = False,
    folders: Folders | None = None,
) -> dict[str, Course]:
    """The courses in a TOML text, by id.

    ``instructors`` are the instructor groups of courses that do not set their own. ``root`` is
    whether this process may run a formgrader as another user. ``folders`` finds the courses of
    tables with ``directory = ".../{id}"``; without it there are none. A course with its own table
    is only configured there.

    :raises ConfigError: with every problem, each naming its course and key
    """
    tables, problems = read_tables(text, "course")
    courses: dict[str, Course] = {}
    patterns: list[tuple[int, dict[str, Any]]] = []
    for number, table in enumerate(tables, start=1):
        if covers_folders(table):
            patterns.append((number, table))
            CourseTable(number, table, problems).check_pattern(instructors, root=root)
            continue
        course = CourseTable(number, table, problems).course(instructors, root=root)
        if course.id in courses:
            problems.append(f'course "{course.id}": duplicate id; each course needs its own')
        courses[course.id] = course
    if problems:
        raise ConfigError(problems)
    if folders is not None:
        folders.begin()
        own_tables = set(courses)
        for number, table in patterns:
            for course in _courses_in(folders, number, table, instructors, root=root):
                if course.id not in courses:
                    courses[course.id] = course
                elif course.id not in own_tables:
                    other = courses[course.id].directory
                    folders.problems.append(
                        f"{course.directory} is not served: {other} has the same course id"
                    )
    return courses


def _courses_in(
    folders: Folders,
    number: int,
    table: dict[str, Any],
    instructors: frozenset[str],
    *,
    root: bool,
) -> Iterator[Course]:
    """The courses that a table finds as folders."""
    user = table.get("user")
    for folder in folders.find(Path(parent_of(table)), user):
        own = table_for(table, folder.id) | ({"user": folder.user} if folder.user else {})
        yield CourseTable(number, own, folders.problems).course(instructors, root=root)


def _digest(file: Path) -> str:
    try:
        return sha256(file.read_bytes().strip()).hexdigest()
    except OSError:
        return ""


class CoursesFile(SettingsFile[dict[str, Course]]):
    """A courses file that is read again when it changes. An invalid one is ignored."""

    def __init__(
        self,
        path: Path,
        load: Callable[[str], dict[str, Course]],
        folders: Folders | None = None,
        kept: str | None = None,
    ) -> None:
        """Read the file. ``folders`` are those that ``load`` searches.

        ``kept`` is an earlier text, for when the file is invalid or empty.

        :raises ConfigError: it cannot be read or is invalid, and so is ``kept``
        """
        self._folders = folders
        self._versions: dict[Path, str] = {}
        super().__init__(path, "the courses file", self._checked(load), kept)
        #: Why folders are no courses, as of the last search.
        self.folder_problems: tuple[str, ...] = ()
        self._note_problems()

    def reload_if_changed(self) -> Reload:
        """Read the file again, and search the folders again if it covers any."""
        try:
            return self._reload_if_changed()
        finally:
            self._note_problems()

    def _note_problems(self) -> None:
        if self._folders is not None:
            self.folder_problems = tuple(self._folders.problems)

    def _reload_if_changed(self) -> Reload:
        outcome = super().reload_if_changed()
        unchanged = outcome is Reload.UNCHANGED and not self.problems and self._seen is not None
        searched = self._folders is not None and self._folders.searched
        if not unchanged or not (searched or self._versions):
            return outcome
        assert self._seen is not None  # noqa: S101 - checked above
        found = self._load(self._seen)
        if found == self.value:
            return Reload.UNCHANGED
        self.value = found
        return Reload.LOADED

    def _checked(
        self, load: Callable[[str], dict[str, Course]]
    ) -> Callable[[str], dict[str, Course]]:
        def checked(text: str) -> dict[str, Course]:
            if not text.strip() and getattr(self, "value", None):
                # More probably a full disk or a mistake than the wish to serve no course.
                what = "it is empty; to serve no course, write a comment into it, such as # none"
                raise ConfigError([what])
            return self._with_versions(load(text))

        return checked

    def _with_versions(self, courses: dict[str, Course]) -> dict[str, Course]:
        """Note what the files with gradebook URLs contain.

        One that cannot be read, for example while it is replaced, counts as unchanged.
        """
        files = {course.db_url_file for course in courses.values() if course.db_url_file}
        self._versions = {file: _digest(file) or self._versions.get(file, "") for file in files}
        return {
            key: replace(course, db_url_version=self._versions[course.db_url_file])
            if course.db_url_file
            else course
            for key, course in courses.items()
        }

    @property
    def courses(self) -> dict[str, Course]:
        """The last valid courses, by id."""
        return self.value
