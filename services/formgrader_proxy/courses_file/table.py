"""Reads one ``[[course]]`` table. docs/formgrader.md is the reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from common.config.suggestions import did_you_mean
from services.formgrader_proxy.access import CourseGroups, Mode
from services.formgrader_proxy.autograding import settings as autograding
from services.formgrader_proxy.course_folders.pattern import (
    SAMPLE_ID,
    pattern_problem,
    table_for,
)
from services.formgrader_proxy.courses import RESERVED_IDS, WORKERS, Course, is_course_id

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
MOST_WORKERS = 64


@dataclass
class CourseTable:
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
        sample = CourseTable(self.number, table_for(self.table, SAMPLE_ID), [])
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
        if parts.path.strip("/") or parts.query or "@" in parts.netloc:
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
