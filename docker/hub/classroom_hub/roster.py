"""The roster: the admins, and each course's instructors, graders and students.

Everything here is pure except :class:`RosterFile`, which reads the file and its lists of students.
One TOML file defines who may sign in and which groups they belong to::

    domains = ["university.example"]
    admins = ["teacher@university.example"]

    [[course]]
    id = "course101"
    instructors = ["teacher@university.example"]
    graders = ["grader@university.example"]
    students = ["ada@university.example"]
    students_file = "course101.csv"    # a CSV file with a column "email", or one address per line

The groups are those of nbgrader's JupyterHubAuthPlugin (``formgrade-<course>`` and
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
#: Names that are valid for JupyterHub, home directories and system users alike.
_NAME = re.compile(r"[a-z0-9_][a-z0-9._+@-]{0,254}")
#: Names of the address column in a list of students; the first match is used.
_COLUMNS = ("email", "e-mail", "mail", "username", "user")

ReadFile = Callable[[str], str]


@dataclass(frozen=True)
class Roster:
    """The users who may sign in, by their Hub user names.

    With a single domain, the user name is the address without the domain, as with
    GoogleOAuthenticator's ``strip_domain``. Otherwise it is the full address.
    """

    domains: tuple[str, ...] = ()
    admins: frozenset[str] = frozenset()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def people(self) -> frozenset[str]:
        """All users who may sign in."""
        return self.admins.union(*self.groups.values())

    @property
    def staff(self) -> frozenset[str]:
        """The admins, and the instructors and graders of all courses."""
        graders = (names for group, names in self.groups.items() if group.startswith(_STAFF_GROUPS))
        return self.admins.union(*graders)

    def groups_of(self, name: str) -> frozenset[str]:
        """Return the groups of a user."""
        return frozenset(group for group, members in self.groups.items() if name in members)


#: How the names of the groups of instructors and of graders start.
_STAFF_GROUPS = ("instruct-", "formgrade-")


def course_groups(course_id: str) -> tuple[str, str, str]:
    """Return the names of a course's groups: instructors, graders, students."""
    return f"instruct-{course_id}", f"formgrade-{course_id}", f"nbgrader-{course_id}"


def load_roster(text: str, read_file: ReadFile) -> Roster:
    """Parse a roster in TOML; ``read_file`` returns the text of a ``students_file``.

    :raises ConfigError: with all problems
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"not a valid TOML file: {error}"]) from None
    return _Reader(document, read_file).roster()


class _Reader:
    """Reads a document and collects all problems."""

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
            self._problems.append("course: write each course as a separate table: [[course]]")
            tables = []
        for number, table in enumerate(tables, start=1):
            self._course(number, table, groups)
        roster = Roster(self._domains, admins, groups)
        if not roster.people and not self._problems:
            self._problems.append('the roster is empty; add at least one admin: admins = ["…"]')
        if self._problems:
            raise ConfigError(self._problems)
        return roster

    def _course(
        self, number: int, table: Mapping[str, Any], groups: dict[str, frozenset[str]]
    ) -> None:
        course_id = table.get("id")
        if not isinstance(course_id, str) or not _COURSE_ID.fullmatch(course_id):
            self._problems.append(
                f"course {number}, id: use letters, digits, dots, dashes and underscores only,"
                " such as course101"
            )
            return
        where = f'course "{course_id}", '
        self._unknown(where, table, COURSE_KEYS)
        names = course_groups(course_id)
        if names[0] in groups:
            self._problems.append(f"{where}id: duplicate; each course needs a unique id")
            return
        instructors = self._people(f"{where}instructors", table.get("instructors", []))
        graders = self._people(f"{where}graders", table.get("graders", []))
        students = self._people(f"{where}students", table.get("students", []))
        if "students_file" in table:
            students |= self._listed(f"{where}students_file", table["students_file"])
        # Instructors may also grade: nbgrader uses a single group for both.
        groups.update(zip(names, (instructors, instructors | graders, students), strict=True))
        for name in sorted(students & (instructors | graders)):
            self._problems.append(
                f"{where}students: {name} is also a grader of this course; remove one entry"
            )

    def _read_domains(self) -> tuple[str, ...]:
        value = self._document.get("domains", [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self._problems.append('domains: use a list, such as ["university.example"]')
            return ()
        domains = tuple(dict.fromkeys(each.strip().lower() for each in value))
        for each in domains:
            if not _DOMAIN.fullmatch(each):
                self._problems.append(
                    f'domains: "{each}" is not a domain; use the part after the @ of an address'
                )
        return domains

    def _people(self, where: str, value: object) -> frozenset[str]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            self._problems.append(f'{where}: use a list, such as ["ada@university.example"]')
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
            self._problems.append(f'{where}: use the name of a file, such as "course101.csv"')
            return frozenset()
        try:
            return self._names(where, addresses_in(self._read_file(value)))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._problems.append(f'{where}: cannot read "{value}": {reason}')
            return frozenset()

    def _unknown(self, where: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                hint = did_you_mean(key, known) or f"; valid keys are {', '.join(known)}"
                self._problems.append(f"{where}{key}: unknown key{hint}")


def user_name(address: str, domains: tuple[str, ...]) -> str:
    """Return the Hub user name for an address.

    :raises ValueError: the address is in another domain, or is not a valid user name
    """
    name, at, domain = address.strip().lower().rpartition("@")
    if not at:
        name, domain = domain, ""
        if len(domains) > 1:
            raise ValueError(f'"{address}" has no domain; add one of {", ".join(domains)}')
    elif domains and domain not in domains:
        raise ValueError(
            f'"{address}" is not in {" or ".join(domains)}; only these domains may sign in'
        )
    elif len(domains) != 1:
        name = f"{name}@{domain}"
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{address}" is not a valid address')
    return name


def addresses_in(text: str) -> list[str]:
    """Return the addresses in a list of students: CSV with a header, or one address per line.

    :raises ValueError: there are several columns, and none has a known name
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
            raise ValueError(f"no column is named {' or '.join(_COLUMNS[:2])}")
        return [row[0] for row in rows if not row[0].lstrip().startswith("#")]
    return [row[column] for row in rows[1:] if len(row) > column and row[column].strip()]


class RosterFile:
    """The roster file and its lists of students, reloaded when they change.

    An invalid file is rejected and the last valid roster stays in effect, so a typing error locks
    nobody out. ``problems`` lists the problems of the current file; it is empty for a valid one.
    """

    def __init__(self, path: Path) -> None:
        """Read the roster. :raises ConfigError: the file is missing or invalid"""
        self.path = path
        self.problems: tuple[str, ...] = ()
        self._seen: dict[str, str] = {}
        self.roster = self._load()

    def reload(self) -> bool:
        """Reload changed files. :returns: whether a new roster is in effect"""
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
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ConfigError([f"cannot read the roster {self.path}: {reason}"]) from None
        return load_roster(text, self._read)

    def _read(self, name: str) -> str:
        self._seen[name] = self._text(name)
        return (self.path.parent / name).read_text(encoding="utf-8-sig")

    def _text(self, name: str) -> str:
        try:
            return (self.path.parent / name).read_text(encoding="utf-8-sig")
        except (OSError, ValueError):
            return ""
