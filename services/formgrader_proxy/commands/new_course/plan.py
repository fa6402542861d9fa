"""What a new course needs: its directory, account, groups and entry in the courses file. Pure."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

from common.config.settings_file import read_tables
from common.errors import ConfigError
from services.formgrader_proxy.course_folders.pattern import (
    PLACEHOLDER,
    covers_folders,
    parent_of,
    pattern_problem,
    table_for,
)
from services.formgrader_proxy.courses import RESERVED_IDS, is_course_id

#: What useradd accepts everywhere.
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Request:
    """What the user wrote. ``root``: whether accounts can be created and used."""

    course_id: str
    root: bool
    title: str | None = None
    directory: str | None = None
    user: str | None = None


@dataclass(frozen=True)
class Plan:
    """What has to exist. ``entry`` is the text to append to the courses file; None: it is covered.

    ``user`` is the account that runs the formgrader; None: that of the service. ``by_owner`` is
    whether that is the owner of the folder instead, if the folder exists. ``groups`` are those of
    the graders and the students.
    """

    course_id: str
    directory: Path
    user: str | None
    groups: tuple[str, ...]
    entry: str | None
    by_owner: bool = False


def make_plan(text: str, request: Request) -> Plan:
    """The plan for a course that ``text``, the courses file, may cover already.

    :raises ConfigError: with every problem
    """
    course_id = request.course_id
    if not is_course_id(course_id):
        reserved = f"; {course_id} is reserved" if course_id in RESERVED_IDS else ""
        raise ConfigError(
            ["ID: use letters, digits, dots, dashes and underscores, such as stats101" + reserved]
        )
    tables, problems = read_tables(text, "course")
    problems += _unusable(tables, request)
    table = _covering(tables, request)
    if table is None:
        table = {"id": course_id, "directory": request.directory}
        if request.title:
            table["title"] = request.title
        if request.root:
            table["user"] = request.user or _account_for(course_id)
        entry = _entry(table)
        if not request.directory:
            problems.append(
                "no table of the courses file covers it: use --directory=/srv/courses/" + course_id
            )
    else:
        entry = None
        problems += _contradictions(table, request)
    directory, user = Path(str(table.get("directory") or "/")), table.get("user")
    if "url" in table:
        problems.append("its table in the courses file has a url, so it is created there")
    elif not directory.is_absolute():
        problems.append("--directory: use an absolute path, such as /srv/courses/" + course_id)
    by_owner = request.root and user is None and request.user is None
    if request.root and user is None:
        user = request.user or _account_for(course_id)
    if not request.root and request.user:
        problems.append("--user: only root can run a course under another account")
    if user is not None and not _ACCOUNT.fullmatch(str(user)):
        problems.append(
            f'--user: "{user}" is no name for an account; use lower-case letters, digits, dashes'
            " and underscores, at most 32"
        )
    if problems:
        raise ConfigError(problems)
    graders = table.get("graders", f"formgrade-{course_id}")
    names = [graders] if isinstance(graders, str) else graders
    groups = tuple(dict.fromkeys([*map(str, names), f"nbgrader-{course_id}"]))
    return Plan(course_id, directory, user, groups, entry, by_owner)


def _covering(tables: list[dict[str, Any]], request: Request) -> dict[str, Any] | None:
    """The table of this course, or of one that finds it as a folder."""
    for table in tables:
        if table.get("id") == request.course_id:
            return table
    for table in tables:
        if covers_folders(table) and pattern_problem(table) is None:
            path = Path(parent_of(table)) / request.course_id
            if request.directory in (None, str(path)):
                return table_for(table, request.course_id)
    return None


def _unusable(tables: list[dict[str, Any]], request: Request) -> list[str]:
    """Options that no course can have, or that belong to another one."""
    found = [
        f"--{key}: leave out line breaks and other invisible characters"
        for key in ("title", "directory")
        if not (getattr(request, key) or "").isprintable()
    ]
    if request.directory is None:
        return found
    if PLACEHOLDER in request.directory:
        found.append(f"--directory: use that of this course, without {PLACEHOLDER}")
    directory = PurePosixPath(normpath(request.directory))
    for table in tables:
        other, own_id = str(table.get("directory", "")), table.get("id")
        if own_id != request.course_id and PurePosixPath(normpath(other)) == directory:
            found.append(f"--directory: {other} is already that of the course {own_id}")
    return found


def _contradictions(table: dict[str, Any], request: Request) -> list[str]:
    """Options that the courses file sets to something else."""
    given = {"title": request.title, "directory": request.directory}
    if "user" in table:
        given["user"] = request.user
    return [
        f"--{key}: the courses file sets {table.get(key, 'nothing')}; change it there"
        for key, value in given.items()
        if value is not None and value != table.get(key)
    ]


def _account_for(course_id: str) -> str:
    """Another account for each id: courses with the same one could read each other's grades."""
    plain = re.sub(r"[^a-z0-9_-]", "-", course_id.lower())[:26]
    if plain != course_id:
        plain = f"{plain[:19]}-{hashlib.sha256(course_id.encode()).hexdigest()[:6]}"
    return f"grade-{plain}"


def _entry(table: dict[str, Any]) -> str:
    # A basic string of TOML has the escapes of JSON, apart from DEL, which titles do not need.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
    return "\n".join(["[[course]]", *lines, ""])
