"""Who may do what: roles from Hub groups, and the allow-list of formgrader requests.

The allow-list names every method and path that the pages of nbgrader 0.9 use, taken from
``nbgrader/server_extensions/formgrader/handlers.py`` and ``apihandlers.py``. Anything else is
refused for every role, unless the course's mode is ``full``.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Protocol

from services.formgrader_proxy.scopes import ADMIN_SCOPE


class Role(IntEnum):
    """A user's role in one course. Each role includes the permissions of the lower ones."""

    NOBODY = 0
    GRADER = 1
    INSTRUCTOR = 2
    ADMIN = 3


class Mode(StrEnum):
    """What a course lets through: the allow-list only, or everything its formgrader serves."""

    LISTED = "listed"
    FULL = "full"


class Content(StrEnum):
    """The kind of content at a path. It determines the security headers of the response."""

    PAGE = "page"
    API = "api"
    STATIC = "static"
    ATTACHMENT = "attachment"


class Refusal(StrEnum):
    """Why a request is refused. A closed set, used as a metric label."""

    NOT_LISTED = "not_listed"
    METHOD = "method"
    ROLE = "role"


@dataclass(frozen=True)
class Rule:
    """One line of the allow-list.

    ``action`` is the name of a change in the audit log, in nbgrader's terms; None for a read.
    """

    methods: frozenset[str]
    pattern: re.Pattern[str]
    role: Role
    content: Content
    action: str | None = None


_READ = frozenset({"GET", "HEAD"})
#: One decoded segment. The target reader refuses separators, so a slash cannot occur in it.
_S = r"[^/]+"


def _read(pattern: str, content: Content) -> Rule:
    return Rule(_READ, re.compile(pattern), Role.GRADER, content)


def _write(method: str, pattern: str, role: Role, action: str) -> Rule:
    return Rule(frozenset({method}), re.compile(pattern), role, Content.API, action)


#: Matched in this order against the decoded path below the course's prefix. The first match wins.
RULES: tuple[Rule, ...] = (
    _read(r"formgrader/?", Content.PAGE),
    _read(r"formgrader/(static|fonts)/.+", Content.STATIC),
    _read(r"formgrader/submissions/components/.+", Content.STATIC),
    _read(r"formgrader/manage_assignments/?", Content.PAGE),
    _read(rf"formgrader/manage_submissions/{_S}/?", Content.PAGE),
    _read(rf"formgrader/gradebook(/{_S}){{0,2}}/?", Content.PAGE),
    _read(rf"formgrader/manage_students(/{_S}){{0,2}}/?", Content.PAGE),
    _read(
        rf"formgrader/submissions/{_S}/(next_incorrect|prev_incorrect|next|prev)/?", Content.PAGE
    ),
    _read(rf"formgrader/submissions/{_S}/?", Content.PAGE),
    _read(rf"formgrader/submissions/{_S}/.+", Content.ATTACHMENT),
    _read(r"formgrader/api/(status|assignments|students|grades|comments)", Content.API),
    _read(
        rf"formgrader/api/(assignment|notebooks|submissions|grade|comment|student|student_submissions)/{_S}",
        Content.API,
    ),
    _read(
        rf"formgrader/api/(submission|submitted_notebooks|student_notebook_submissions)/{_S}/{_S}",
        Content.API,
    ),
    _write("PUT", rf"formgrader/api/grade/{_S}", Role.GRADER, "grade"),
    _write("PUT", rf"formgrader/api/comment/{_S}", Role.GRADER, "comment"),
    _write("POST", rf"formgrader/api/submitted_notebook/{_S}/flag", Role.GRADER, "flag"),
    _write("PUT", rf"formgrader/api/assignment/{_S}", Role.INSTRUCTOR, "assignment"),
    _write("PUT", rf"formgrader/api/student/{_S}", Role.INSTRUCTOR, "student"),
    *(
        _write("POST", rf"formgrader/api/assignment/{_S}/{action}", Role.INSTRUCTOR, action)
        for action in (
            "assign",
            "release",
            "unrelease",
            "collect",
            "generate_feedback",
            "release_feedback",
        )
    ),
    *(
        _write("POST", rf"formgrader/api/assignment/{_S}/{_S}/{action}", Role.INSTRUCTOR, action)
        for action in ("generate_feedback", "release_feedback")
    ),
    _write("POST", rf"formgrader/api/submission/{_S}/{_S}/autograde", Role.INSTRUCTOR, "autograde"),
)


#: What mode = "full" adds to the allow-list. Changes made this way are audited as "other".
_ANY_PATH = re.compile(r"(?s).*")
_FULL_READ = Rule(_READ, _ANY_PATH, Role.GRADER, Content.PAGE)
_FULL_FILE = Rule(_READ, _ANY_PATH, Role.GRADER, Content.ATTACHMENT)
_FULL_WRITE = Rule(frozenset(), _ANY_PATH, Role.GRADER, Content.API, "other")
#: Jupyter serves these files unchanged, so a student may have written them.
_FILES = {"files", "view", "nbconvert"}


def find_rule(method: str, segments: Collection[str], mode: Mode = Mode.LISTED) -> Rule | Refusal:
    """The rule that applies to a request, whoever sends it, or why there is none.

    ``segments`` are those of the path below the course's prefix, decoded and free of separators
    (see :mod:`.proxy.target`). A rule of the allow-list takes precedence in full mode, too: its
    role, content and action stay as listed.
    """
    path = "/".join(segments)
    return (_find_cached if len(path) <= _CACHED_LENGTH else _find)(method, path, mode)


def _find(method: str, path: str, mode: Mode) -> Rule | Refusal:
    matching = [rule for rule in RULES if rule.pattern.fullmatch(path)]
    listed = next((rule for rule in matching if method in rule.methods), None)
    if listed is not None:
        return listed
    if mode is Mode.FULL:
        if method not in _READ:
            return _FULL_WRITE
        return _FULL_FILE if path.partition("/")[0] in _FILES else _FULL_READ
    return Refusal.METHOD if matching else Refusal.NOT_LISTED


#: Pages request the same paths repeatedly, so the rules of paths up to this length are cached.
_CACHED_LENGTH = 512
_find_cached = lru_cache(maxsize=2048)(_find)


def check_role(rule: Rule | Refusal, role: Role) -> Rule | Refusal:
    """The rule if ``role`` is high enough for it, otherwise why the request is refused."""
    if isinstance(rule, Refusal) or role >= rule.role:
        return rule
    return Refusal.ROLE


@dataclass(frozen=True)
class CourseGroups:
    """The Hub groups that have a role in one course.

    Without ``instructors`` every grader may also assign, autograde and release.
    """

    graders: frozenset[str]
    instructors: frozenset[str] = frozenset()


class User(Protocol):
    """The part of a Hub identity that determines a role."""

    @property
    def groups(self) -> frozenset[str]: ...

    @property
    def scopes(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Administrators:
    """The users who administer every course: members of ``groups`` and holders of the scope."""

    groups: frozenset[str] = frozenset()

    def include(self, user: User) -> bool:
        """Whether the user is one of them."""
        return ADMIN_SCOPE in user.scopes or not self.groups.isdisjoint(user.groups)


def role_in(user: User, course: CourseGroups, administrators: Administrators) -> Role:
    """The user's role in a course, from Hub groups and scopes."""
    if administrators.include(user):
        return Role.ADMIN
    if user.groups & course.instructors:
        return Role.INSTRUCTOR
    if user.groups & course.graders:
        return Role.GRADER if course.instructors else Role.INSTRUCTOR
    return Role.NOBODY
