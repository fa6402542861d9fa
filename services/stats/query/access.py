"""Who may see whose statistics. Pure.

Every database query takes an ``Audience``, and only ``Viewer`` creates one. A page therefore
cannot query more than its viewer may see.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from common.errors import ServiceError

GRADERS, STUDENTS = "formgrade-", "nbgrader-"
"""Prefixes of nbgrader's groups: the graders and the students of a course."""


class OutOfScope(ServiceError):
    """The viewer may not see this. The message does not reveal whether it exists."""


@dataclass(frozen=True)
class WholeHub:
    """All users of the Hub."""

    uncounted: bool = False
    """Whether a list also has the users who are not counted."""


@dataclass(frozen=True)
class Members:
    """The members of one group, each for the days on which they were in it."""

    group: str
    uncounted: bool = False
    """Whether a list also has the members who are not counted."""


@dataclass(frozen=True)
class Individual:
    """One user; only for their days in ``groups``, unless ``groups`` is None."""

    name: str
    groups: frozenset[str] | None = None
    own: bool = False
    """The viewer's own data: the account that has the name now, never an earlier one."""


Audience = WholeHub | Members | Individual
"""The users that an answer covers."""


@dataclass(frozen=True)
class FullAccess:
    """Who may see everything: holders of ``scope``, and members of ``groups`` or Hub admins."""

    scope: str = ""
    groups: frozenset[str] = frozenset()
    """If not empty, Hub administrators need to be in one of these groups, too."""

    def granted(self, *, admin: bool, groups: Collection[str], scopes: Collection[str]) -> bool:
        if self.scope and self.scope in scopes:
            return True
        if self.groups:
            return not self.groups.isdisjoint(groups)
        return admin


@dataclass(frozen=True)
class Viewer:
    """A signed-in user or service, and what it may see."""

    name: str
    """The user's name; empty for a service."""
    everything: bool = False
    student_groups: frozenset[str] = frozenset()
    """The student groups of the courses that the viewer grades."""

    @classmethod
    def of(
        cls,
        name: str,
        full_access: FullAccess,
        *,
        admin: bool = False,
        groups: Collection[str] = (),
        scopes: Collection[str] = (),
    ) -> "Viewer":
        """The viewer with these groups and scopes. Graders see the students of their courses."""
        courses = {g.removeprefix(GRADERS) for g in groups if g.startswith(GRADERS)}
        return cls(
            name=name,
            everything=full_access.granted(admin=admin, groups=groups, scopes=scopes),
            student_groups=frozenset(STUDENTS + course for course in courses if course),
        )

    @property
    def sees_others(self) -> bool:
        """Whether the viewer may see any data besides their own."""
        return self.everything or bool(self.student_groups)

    def may_see_group(self, group: str) -> bool:
        return self.everything or group in self.student_groups

    def default_audience(self) -> Audience:
        """What the viewer sees first: the hub, their first course, or their own activity."""
        if self.everything:
            return WholeHub()
        if self.student_groups:
            return Members(min(self.student_groups))
        return self.audience(user=self.name)

    def audience(self, *, group: str = "", user: str = "") -> Audience:
        """The hub (neither given), a group, a user, or a user while in that group.

        Raises OutOfScope.
        """
        if group and not self.may_see_group(group):
            raise OutOfScope("you may not see this group")
        if user and user == self.name and not group:
            return Individual(user, own=True)
        if user:
            return self._other_user(group, user)
        if group:
            return Members(group)
        if not self.everything:
            raise OutOfScope("you may not see the statistics of the whole hub")
        return WholeHub()

    def with_uncounted(self, audience: Audience) -> Audience:
        """The same users and those who are not counted, for a list. Raises OutOfScope."""
        if not self.everything:
            raise OutOfScope("you may not see who is not counted")
        return audience if isinstance(audience, Individual) else replace(audience, uncounted=True)

    def _other_user(self, group: str, user: str) -> Individual:
        if group:
            return Individual(user, frozenset({group}))
        if self.everything:
            return Individual(user)
        if self.student_groups:
            return Individual(user, self.student_groups)
        raise OutOfScope("you may not see this user")


OPERATOR = Viewer(name="", everything=True)
"""The viewer on the command line, where access to the database is access to everything."""
