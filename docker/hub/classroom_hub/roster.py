"""The roster: who is an admin, and who teaches, grades and learns in which course. Pure but for
:class:`RosterFile`, which reads the file and the lists of students beside it.

One TOML file decides who may sign in and which groups they are in::

    domains = ["university.example"]
    admins = ["teacher@university.example"]

    [[course]]
    id = "course101"
    instructors = ["teacher@university.example"]
    graders = ["grader@university.example"]
    students = ["ada@university.example"]
    students_file = "course101.csv"    # a column "email", or one address a line

The groups are those that nbgrader's JupyterHubAuthPlugin knows (``formgrade-<course>`` and
``nbgrader-<course>``) and ``instruct-<course>``.
"""

import csv
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.config.suggestions import did_you_mean
from common.errors import ConfigError

KEYS = ("domains", "admins", "course")
COURSE_KEYS = ("id", "instructors", "graders", "students", "students_file")
_COURSE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
#: What JupyterHub, a home directory and a system user's name can all bear.
_NAME = re.compile(r"[a-z0-9_][a-z0-9._+@-]{0,254}")
#: Columns of a list of students that hold the address, the first that is there.
_COLUMNS = ("email", "e-mail", "mail", "username", "user")

ReadFile = Callable[[str], str]


@dataclass(frozen=True)
class Roster:
    """Who may sign in. Names are the Hub's user names.

    With a single domain a user's name is the address without it, as GoogleOAuthenticator's
    ``strip_domain`` has it; otherwise it is the whole address.
    """

    domains: tuple[str, ...] = ()
    admins: frozenset[str] = frozenset()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def people(self) -> frozenset[str]:
        """Everybody who may sign in."""
        return self.admins.union(*self.groups.values())

    def groups_of(self, name: str) -> frozenset[str]:
        """The groups that somebody is in."""
        return frozenset(group for group, members in self.groups.items() if name in members)


def course_groups(course_id: str) -> tuple[str, str, str]:
    """The groups of a course's instructors, graders and students."""
    return f"instruct-{course_id}", f"formgrade-{course_id}", f"nbgrader-{course_id}"


def load_roster(text: str, read_file: ReadFile) -> Roster:
    """The roster in a TOML text; ``read_file`` gives the text of a ``students_file``.

    :raises ConfigError: with every problem
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"this is not TOML: {error}"]) from None
    return _Reader(document, read_file).roster()


class _Reader:
    """Reads a document; what is wrong is collected, and reading goes on."""

    def __init__(self, document: Mapping[str, Any], read_file: ReadFile) -> None:
        self._document = document
        self._read_file = read_file
        self._problems: list[str] = []
        self._domains: tuple[str, ...] = ()

    def roster(self) -> Roster:
        self._unknown("", self._document, KEYS)
        self._domains = self._read_domains()
        admins = self._people("admins", self._document.get("admins", []))
        groups: dict[str, frozenset[str]] = {}
        tables = self._document.get("course", [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            self._problems.append("course: write each course as a table of its own: [[course]]")
            tables = []
        for number, table in enumerate(tables, start=1):
            self._course(number, table, groups)
        roster = Roster(self._domains, admins, groups)
        if not roster.people and not self._problems:
            self._problems.append(
                'nobody is on it; name at least one of the admins: admins = ["…"]'
            )
        if self._problems:
            raise ConfigError(self._problems)
        return roster

    def _course(
        self, number: int, table: Mapping[str, Any], groups: dict[str, frozenset[str]]
    ) -> None:
        course_id = table.get("id")
        if not isinstance(course_id, str) or not _COURSE_ID.fullmatch(course_id):
            self._problems.append(
                f"course {number}, id: write letters, digits, dots, dashes and underscores,"
                " such as course101"
            )
            return
        where = f'course "{course_id}", '
        self._unknown(where, table, COURSE_KEYS)
        names = course_groups(course_id)
        if names[0] in groups:
            self._problems.append(f"{where}id: stands twice; each course needs its own")
            return
        instructors = self._people(f"{where}instructors", table.get("instructors", []))
        graders = self._people(f"{where}graders", table.get("graders", []))
        students = self._people(f"{where}students", table.get("students", []))
        if "students_file" in table:
            students |= self._listed(f"{where}students_file", table["students_file"])
        # Who may release may grade: nbgrader knows the one group only.
        groups.update(zip(names, (instructors, instructors | graders, students), strict=True))
        for name in sorted(students & (instructors | graders)):
            self._problems.append(
                f"{where}students: {name} also grades this course; nobody grades themselves"
            )

    def _read_domains(self) -> tuple[str, ...]:
        value = self._document.get("domains", [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self._problems.append('domains: write a list, such as ["university.example"]')
            return ()
        domains = tuple(dict.fromkeys(each.strip().lower() for each in value))
        for each in domains:
            if not _DOMAIN.fullmatch(each):
                self._problems.append(
                    f'domains: "{each}" is none; write the part behind the @ of an address'
                )
        return domains

    def _people(self, where: str, value: object) -> frozenset[str]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self._problems.append(f'{where}: write a list, such as ["ada@university.example"]')
            return frozenset()
        return self._names(where, value)

    def _names(self, where: str, addresses: Iterable[str]) -> frozenset[str]:
        names = set()
        for address in addresses:
            try:
                names.add(user_name(address, self._domains))
            except ValueError as error:
                self._problems.append(f"{where}: {error}")
        return frozenset(names)

    def _listed(self, where: str, value: object) -> frozenset[str]:
        if not isinstance(value, str) or not value:
            self._problems.append(f'{where}: write the name of a file, such as "course101.csv"')
            return frozenset()
        try:
            return self._names(where, addresses_in(self._read_file(value)))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._problems.append(f'{where}: "{value}" cannot be read: {reason}')
            return frozenset()

    def _unknown(self, where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                hint = did_you_mean(key, known) or f"; the keys are {', '.join(known)}"
                self._problems.append(f"{where}{key}: unknown{hint}")


def user_name(address: str, domains: tuple[str, ...]) -> str:
    """The Hub's user name of an address.

    :raises ValueError: it is no address of these domains, or cannot be a user's name
    """
    name, at, domain = address.strip().lower().rpartition("@")
    if not at:
        name, domain = domain, ""
        if len(domains) > 1:
            raise ValueError(f'"{address}" lacks its domain, one of {", ".join(domains)}')
    elif domains and domain not in domains:
        raise ValueError(f'"{address}" is not of {" or ".join(domains)}, who alone may sign in')
    elif len(domains) != 1:
        name = f"{name}@{domain}"
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{address}" is no address')
    return name


def addresses_in(text: str) -> list[str]:
    """The addresses in a list of students: a CSV with a heading, or one address a line.

    :raises ValueError: it has several columns and none of a known name
    """
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    if not lines:
        return []
    separator = max(",;\t", key=lines[0].count)
    rows = list(csv.reader(lines, delimiter=separator))
    heading = [cell.strip().lower() for cell in rows[0]]
    column = next((heading.index(name) for name in _COLUMNS if name in heading), None)
    if column is None:
        if len(heading) > 1:
            raise ValueError(f"none of its columns is called {' or '.join(_COLUMNS[:2])}")
        return [row[0] for row in rows if not row[0].lstrip().startswith("#")]
    return [row[column] for row in rows[1:] if len(row) > column and row[column].strip()]


class RosterFile:
    """The roster's file and its lists of students, looked at again and again.

    A bad one is refused and the last good one stays: a slip of the pen locks nobody out.
    ``problems`` are those of the newest text, empty when it is the one in force.
    """

    def __init__(self, path: Path) -> None:
        """Read it. :raises ConfigError: it cannot be read or used"""
        self.path = path
        self.problems: tuple[str, ...] = ()
        self._seen: dict[str, str] = {}
        self.roster = self._load()

    def look(self) -> bool:
        """Read again what has changed; True where a new roster is in force."""
        if all(self._text(name) == text for name, text in self._seen.items()):
            return False
        try:
            self.roster, self.problems = self._load(), ()
        except ConfigError as error:
            self.problems = error.problems
            return False
        return True

    def _load(self) -> Roster:
        self._seen = {}
        try:
            text = self._read(self.path.name)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ConfigError([f"the roster {self.path} cannot be read: {reason}"]) from None
        return load_roster(text, self._read)

    def _read(self, name: str) -> str:
        self._seen[name] = self._text(name)
        return (self.path.parent / name).read_text(encoding="utf-8-sig")

    def _text(self, name: str) -> str:
        try:
            return (self.path.parent / name).read_text(encoding="utf-8-sig")
        except (OSError, ValueError):
            return ""
