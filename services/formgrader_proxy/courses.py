"""The courses file: TOML with one ``[[course]]`` table per course.

All problems are reported at once. docs/formgrader.md is the reference.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from common.config.settings_file import Reload, SettingsFile, read_tables
from common.config.suggestions import did_you_mean
from common.errors import ConfigError
from services.formgrader_proxy.access import CourseGroups, Mode
from services.formgrader_proxy.autograding import settings as autograding
from services.formgrader_proxy.autograding.settings import AutogradingSettings
from services.formgrader_proxy.course_folders.pattern import (
    SAMPLE_ID,
    covers_folders,
    parent_of,
    pattern_problem,
    table_for,
)
from services.formgrader_proxy.course_folders.scan import Folders

KEYS = (
    "id",
    "title",
    "directory",
    "url",
    "token_file",
    "graders",
    "instructors",
    "user",
    "db_url_file",
    "idle_seconds",
    "workers",
    "job_workers",
    "mode",
    "lab_directory",
    *autograding.KEYS,
)
#: Keys of a course with a directory; those for autograding are the others.
MANAGED_KEYS = ("user", "db_url_file", "idle_seconds", "workers", "job_workers")
#: The processes of a course, by default: no more than the machine has processors, and at most four.
WORKERS = min(4, len(os.sched_getaffinity(0)))
MOST_WORKERS = 64
#: A course id is one plain segment of a URL and part of group names.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Names that the service itself uses in URLs.
RESERVED_IDS = frozenset(
    {
        "health",
        "ready",
        "metrics",
        "static",
        "api",
        "courses",
        "oauth_callback",
        "login",
        "logout",
        "admin",
        "audit",
    }
)


@dataclass(frozen=True)
class Course:
    """One course.

    With a ``directory`` this service runs the formgrader there. Otherwise an external one runs at
    ``url``, with its token in ``token_file``. ``idle_seconds`` of zero keeps a formgrader running.
    It has at most ``workers`` processes for pages, and ``job_workers`` for jobs.
    ``lab_directory`` is the course's directory as seen in a grader's own JupyterLab; without it
    the links that open files there are plain text. ``autograding`` only applies to a course with
    a ``directory``.
    """

    id: str
    title: str
    groups: CourseGroups
    directory: Path | None = None
    url: str | None = None
    token_file: Path | None = None
    user: str | None = None
    db_url_file: Path | None = None
    #: A digest of what that file contains, if it is known: processes use the same gradebook.
    db_url_version: str = field(default="", repr=False)
    idle_seconds: float = 1800.0
    workers: int = WORKERS
    job_workers: int = WORKERS
    mode: Mode = Mode.LISTED
    lab_directory: str | None = None
    autograding: AutogradingSettings = field(default_factory=AutogradingSettings)

    @property
    def managed(self) -> bool:
        """Whether this service starts and stops the formgrader."""
        return self.directory is not None


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
            _Reader(number, table, problems).check_pattern(instructors, root=root)
            continue
        course = _Reader(number, table, problems).course(instructors, root=root)
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
        yield _Reader(number, own, folders.problems).course(instructors, root=root)


@dataclass
class _Reader:
    """Reads one [[course]] table. Problems are collected in ``problems``."""

    number: int
    table: Mapping[str, Any]
    problems: list[str]

    def wrong(self, key: str, what: str) -> None:
        name = self.table.get("id")
        where = f'course "{name}"' if isinstance(name, str) else f"course {self.number}"
        self.problems.append(f"{where}, {key}: {what}")

    def check_pattern(self, instructors: frozenset[str], *, root: bool) -> None:
        """Check a table that covers folders, with a course that stands for all of them."""
        if problem := pattern_problem(self.table):
            self.wrong(*problem)
            return
        sample = _Reader(self.number, table_for(self.table, SAMPLE_ID), [])
        sample.course(instructors, root=root)
        name = f'course "{SAMPLE_ID}"'
        self.problems += [one.replace(name, f"course {self.number}") for one in sample.problems]

    def course(self, instructors: frozenset[str], *, root: bool) -> Course:
        for key in self.table:
            if key not in KEYS:
                hint = did_you_mean(key, KEYS) or f"; the keys are {', '.join(KEYS)}"
                self.wrong(key, f"unknown key{hint}")
        course_id = self._id()
        directory, url = self._path("directory"), self._url()
        if (directory is None) == (url is None) and not {"directory", "url"} <= set(self.table):
            self.wrong(
                "directory",
                "missing; set directory, or the url of an external formgrader",
            )
        elif {"directory", "url"} <= set(self.table):
            self.wrong("url", "set either directory or url, not both")
        if directory is not None and not directory.is_absolute():
            self.wrong("directory", "use an absolute path, such as /srv/courses/stats101")
        user = self._text("user")
        if user is not None and not root:
            self.wrong("user", "only applies to a service that runs as root")
        for key in (*MANAGED_KEYS, *autograding.KEYS):
            if key in self.table and url is not None:
                self.wrong(key, "only applies to a course with a directory")
        if "token_file" in self.table and url is None:
            self.wrong("token_file", "only applies to a course with a url")
        return Course(
            id=course_id,
            title=self._text("title") or course_id,
            groups=CourseGroups(
                self._groups("graders") or frozenset({f"formgrade-{course_id}"}),
                self._groups("instructors") or instructors,
            ),
            directory=directory,
            url=url,
            token_file=self._path("token_file"),
            user=user,
            db_url_file=self._path("db_url_file"),
            idle_seconds=self._seconds("idle_seconds", 1800.0),
            workers=self._workers("workers"),
            job_workers=self._workers("job_workers"),
            mode=self._mode(),
            lab_directory=self._lab_directory(),
            autograding=autograding.read_settings(self.table, self.wrong),
        )

    def _id(self) -> str:
        value = self.table.get("id")
        if not isinstance(value, str) or not is_course_id(value):
            self.wrong(
                "id",
                "use letters, digits, dots, dashes and underscores, such as course101"
                + (f"; {value} is reserved" if value in RESERVED_IDS else ""),
            )
            return f"course{self.number}"
        return value

    def _text(self, key: str) -> str | None:
        value = self.table.get(key)
        if value is None or (isinstance(value, str) and value.strip() and "\0" not in value):
            return value
        self.wrong(key, "use a text in quotes, without null characters")
        return None

    def _path(self, key: str) -> Path | None:
        text = self._text(key)
        return None if text is None else Path(text)

    def _groups(self, key: str) -> frozenset[str]:
        value = self.table.get(key)
        if value is None:
            return frozenset()
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not values:
            self.wrong(key, 'use the names of Hub groups, such as ["formgrade-course101"]')
            return frozenset()
        if not all(isinstance(item, str) and item for item in values):
            self.wrong(key, "use a text in quotes for each group")
            return frozenset()
        return frozenset(values)

    def _url(self) -> str | None:
        text = self._text("url")
        if text is None:
            return None
        try:
            parts = urlsplit(text)
            valid = parts.scheme == "http+unix" or parts.port != 0  # a port above 65535 raises
        except ValueError:
            parts, valid = urlsplit(""), False
        if not valid or parts.scheme not in {"http", "https", "http+unix"} or not parts.netloc:
            self.wrong(
                "url", "use http://host:port, https://host or http+unix://%2Fpath%2Fto%2Fsocket"
            )
        if parts.path.strip("/") or parts.query or parts.username:
            self.wrong(
                "url",
                "leave out the path: the formgrader's base_url must be the course's path at the"
                " Hub, and requests are forwarded with that path",
            )
        return text.rstrip("/")

    def _seconds(self, key: str, default: float) -> float:
        value = self.table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e8:
            self.wrong(key, "use a number of seconds; 0 keeps the formgrader running")
            return default
        return float(value)

    def _workers(self, key: str) -> int:
        value = self.table.get(key, WORKERS)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_WORKERS:
            self.wrong(key, f"use a whole number of processes from 1 to {MOST_WORKERS}")
            return WORKERS
        return value

    def _mode(self) -> Mode:
        value = self.table.get("mode", Mode.LISTED)
        try:
            return Mode(value)
        except ValueError:
            self.wrong("mode", f'use "{Mode.LISTED}" (the default) or "{Mode.FULL}"')
            return Mode.LISTED

    def _lab_directory(self) -> str | None:
        text = self._text("lab_directory")
        if text is None:
            return None
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts:
            self.wrong(
                "lab_directory", "use a path relative to a home directory, such as course101"
            )
        return str(path)


def is_course_id(text: str) -> bool:
    """Whether the text is a valid course id."""
    return _ID.fullmatch(text) is not None and text not in RESERVED_IDS


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
    ) -> None:
        """Read the file. ``folders`` are those that ``load`` searches.

        :raises ConfigError: it cannot be read, or is invalid
        """
        self._folders = folders
        self._versions: dict[Path, str] = {}
        super().__init__(path, "the courses file", self._checked(load))
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
