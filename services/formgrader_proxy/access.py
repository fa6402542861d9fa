"""Permissions: a user's role in a course, from Hub groups and scopes.

:mod:`.allow_list` states which requests each role may send.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
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
    NAME = "name"
    ARGUMENT = "argument"
    PRIVATE_FILE = "private_file"
    WEBSOCKET = "websocket"


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

    @property
    def hub_admin(self) -> bool: ...


@dataclass(frozen=True)
class Administrators:
    """The users who administer every course.

    They are the members of ``groups``, holders of the scope, and the Hub's administrators. The
    Hub's own role for the latter cannot be given the scope, so their sign-in tells.
    """

    groups: frozenset[str] = frozenset()

    def include(self, user: User) -> bool:
        """Whether the user is one of them."""
        return (
            user.hub_admin or ADMIN_SCOPE in user.scopes or not self.groups.isdisjoint(user.groups)
        )


def role_in(user: User, course: CourseGroups, administrators: Administrators) -> Role:
    """The user's role in a course, from Hub groups and scopes."""
    if administrators.include(user):
        return Role.ADMIN
    if user.groups & course.instructors:
        return Role.INSTRUCTOR
    if user.groups & course.graders:
        return Role.GRADER if course.instructors else Role.INSTRUCTOR
    return Role.NOBODY
