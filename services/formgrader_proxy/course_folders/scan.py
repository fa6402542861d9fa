"""Finds the folders with an nbgrader course, and the account that may run each.

A folder becomes a course without anybody editing the courses file, and a course's
``nbgrader_config.py`` is a program. So the account that runs it must be one that could have written
it: the folder's owner. Nothing inside a folder is opened, and symbolic links are not followed.
"""

import os
import pwd
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from services.formgrader_proxy.course_folders.pattern import PLACEHOLDER

#: Any of these makes a folder an nbgrader course.
MARKS = ("nbgrader_config.py", "gradebook.db", "source")
#: Seconds until a folder is examined again, for a course and for anything else. In between, only
#: the directory that contains it is read.
COURSE_SECONDS, OTHER_SECONDS = 60.0, 10.0


@dataclass(frozen=True)
class Folder:
    """A course. ``user`` is the account that runs it; None is the service's own."""

    id: str
    user: str | None


@dataclass(frozen=True)
class _Examined:
    """What a folder was found to be: a course, a problem, or neither."""

    at: float
    inode: int
    configured: str | None
    folder: Folder | None = None
    problem: str = ""


@dataclass
class Folders:
    """The folders of the patterns in one courses file.

    ``root`` is whether this process may run a formgrader as another account. ``problems`` are
    sentences about folders that are no courses, from the last search.
    """

    root: bool
    is_course_id: Callable[[str], bool]
    problems: list[str] = field(default_factory=list)
    searched: bool = False
    _examined: dict[Path, _Examined] = field(default_factory=dict)
    _found: dict[tuple[Path, str | None], list[Folder]] = field(default_factory=dict)

    def begin(self) -> None:
        """A new search of all patterns begins."""
        self.problems.clear()
        self.searched = False

    def find(self, parent: Path, user: str | None) -> list[Folder]:
        """The courses in a directory, by id. ``user`` is their account, with ``{id}`` for the id.

        While the directory cannot be read, those that were found before stay.
        """
        self.searched = True
        try:
            if problem := _parent_problem(parent, root=self.root):
                self.problems.append(problem)
                return []
            found = sorted(self._search(parent, user), key=lambda one: one.id)
        except OSError as error:
            self.problems.append(f"{parent} cannot be read: {error.strerror}")
            return self._found.get((parent, user), [])
        self._found[parent, user] = found
        return found

    def _search(self, parent: Path, user: str | None) -> Iterator[Folder]:
        with os.scandir(parent) as entries:
            folders = [one for one in entries if one.is_dir(follow_symlinks=False)]
        for entry in folders:
            path = parent / entry.name
            configured = user and user.replace(PLACEHOLDER, entry.name)
            known, now = self._examined.get(path), time.monotonic()
            if (
                known is None
                or (known.inode, known.configured) != (entry.inode(), configured)
                or _is_old(known, now)
            ):
                folder, problem = self._examine(path, configured)
                known = _Examined(now, entry.inode(), configured, folder, problem)
                self._examined[path] = known
            if known.problem:
                self.problems.append(known.problem)
            if known.folder is not None:
                yield known.folder

    def _examine(self, path: Path, configured: str | None) -> tuple[Folder | None, str]:
        """The course, or a problem, or neither."""
        if path.name.startswith(".") or not any(os.path.lexists(path / mark) for mark in MARKS):
            return None, ""
        if not self.is_course_id(path.name):
            shown = path.name.encode("unicode_escape").decode()
            return None, (
                f'{path.parent}: "{shown}" is not a valid course id, so this folder is no course;'
                " use letters, digits, dots, dashes and underscores"
            )
        try:
            return Folder(path.name, self._account(path, configured)), ""
        except _Refused as refused:
            return None, f"{path} is not served: {refused}"
        except OSError:  # it has just disappeared
            return None, ""

    def _account(self, path: Path, configured: str | None) -> str | None:
        """The account that runs the course. :raises _Refused: there is none that may"""
        status = os.stat(path, follow_symlinks=False)
        if status.st_mode & stat.S_IWOTH:
            raise _Refused("every account may write to it; use chmod o-w")
        if not self.root:
            if status.st_uid not in (0, os.geteuid()):
                raise _Refused(
                    "it belongs to another account than the service, which would run its"
                    " nbgrader_config.py; run the service as root, or change the owner"
                )
            return None
        if configured is None:
            if status.st_uid == 0:
                raise _Refused(
                    "it belongs to root; change its owner to the account that should run it, or"
                    ' set user, such as user = "grade-{id}"'
                )
            return _name_of(status.st_uid)
        try:
            uid = pwd.getpwnam(configured).pw_uid
        except KeyError:
            raise _Refused(f'there is no account "{configured}"') from None
        if status.st_uid not in (0, uid):
            raise _Refused(f'it does not belong to "{configured}", the account that would run it')
        return configured


class _Refused(Exception):
    """A folder is no course. The text says why."""


def _parent_problem(parent: Path, *, root: bool) -> str | None:
    """Why nothing there is a course: others may create, or replace, folders.

    Only a service that runs as root (``root``) runs folders as several accounts. An account that
    may rename the folder of another could put its own in its place, after it was examined, and
    so run its code as that other account.

    :raises OSError: it cannot be read
    """
    status = os.stat(parent)
    if status.st_mode & stat.S_IWOTH:
        return (
            f"{parent}: every account may create folders there, so none is a course; use chmod o-w"
        )
    if not root:
        return None
    if status.st_uid != 0:
        return (
            f"{parent}: its owner may replace the folders of other accounts, so none is a course;"
            " use chown root"
        )
    sticky = status.st_mode & stat.S_ISVTX
    if status.st_mode & stat.S_IWGRP and status.st_gid != 0 and not sticky:
        return (
            f"{parent}: its group may replace the folders of other accounts, so none is a course;"
            " use chmod g-w or chmod +t"
        )
    return None


def _is_old(known: _Examined, now: float) -> bool:
    return now - known.at > (COURSE_SECONDS if known.folder else OTHER_SECONDS)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise _Refused(f"its owner, {uid}, is no account of this system") from None
