"""Who may do what: roles by group, and the allow-list of nbgrader 0.9's formgrader.

The list names every method and address that nbgrader's own pages use, read off
``nbgrader/server_extensions/formgrader/handlers.py`` and ``apihandlers.py``. What is
not on it does not pass, whoever asks.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache


class Role(IntEnum):
    """What somebody is to one course; each may do what the one before may."""

    NOBODY = 0
    GRADER = 1
    INSTRUCTOR = 2
    ADMIN = 3


class Content(StrEnum):
    """What an address gives, which decides the security headers of the answer."""

    PAGE = "page"
    API = "api"
    STATIC = "static"
    ATTACHMENT = "attachment"


@dataclass(frozen=True)
class Allowed:
    """One line of the allow-list.

    ``action`` names a change for the audit, in nbgrader's own words; None for a read.
    """

    methods: frozenset[str]
    pattern: re.Pattern[str]
    role: Role
    content: Content
    action: str | None = None


_READ = frozenset({"GET", "HEAD"})
#: A decoded segment: anything but a slash, for a separator cannot get this far.
_S = r"[^/]+"


def _read(pattern: str, content: Content) -> Allowed:
    return Allowed(_READ, re.compile(pattern), Role.GRADER, content)


def _write(method: str, pattern: str, role: Role, action: str) -> Allowed:
    return Allowed(frozenset({method}), re.compile(pattern), role, Content.API, action)


#: Matched in this order against the decoded path below the course's prefix, first match wins.
ALLOW_LIST: tuple[Allowed, ...] = (
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


class Refusal(StrEnum):
    """Why a request does not pass; a closed set, used as a metric label."""

    NOT_LISTED = "not_listed"
    METHOD = "method"
    ROLE = "role"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a request: the line that lets it pass, or why none does."""

    allowed: Allowed | None
    refusal: Refusal | None = None


def judge(method: str, segments: Collection[str], role: Role) -> Verdict:
    """Whether ``role`` may send ``method`` to the address below the course's prefix.

    ``segments`` are decoded and free of separators, see :mod:`.paths`.
    """
    path = "/".join(segments)
    return (_judge_kept if len(path) <= _KEPT_LENGTH else _judge)(method, path, role)


def _judge(method: str, path: str, role: Role) -> Verdict:
    matching = [line for line in ALLOW_LIST if line.pattern.fullmatch(path)]
    if not matching:
        return Verdict(None, Refusal.NOT_LISTED)
    listed = next((line for line in matching if method in line.methods), None)
    if listed is None:
        return Verdict(None, Refusal.METHOD)
    if role < listed.role:
        return Verdict(None, Refusal.ROLE)
    return Verdict(listed)


#: A page asks for the same addresses again and again: up to this length they are judged once.
_KEPT_LENGTH = 512
_judge_kept = lru_cache(maxsize=2048)(_judge)


@dataclass(frozen=True)
class CourseGroups:
    """The Hub's groups that count for one course.

    Without ``instructors`` every grader may also assign, autograde and release.
    """

    graders: frozenset[str]
    instructors: frozenset[str] = frozenset()


def role_in(groups: Collection[str], course: CourseGroups, *, is_admin: bool = False) -> Role:
    """The role that membership in the Hub's ``groups`` gives in a course."""
    if is_admin:
        return Role.ADMIN
    mine = frozenset(groups)
    if mine & course.instructors:
        return Role.INSTRUCTOR
    if mine & course.graders:
        return Role.GRADER if course.instructors else Role.INSTRUCTOR
    return Role.NOBODY
