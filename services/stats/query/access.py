"""Who may see what. Pure.

Every question to the database is asked for an ``Audience``, and only ``Viewer`` makes one, so
a page cannot ask for more than its viewer may see.
"""

from collections.abc import Collection
from dataclasses import dataclass

from common.errors import ServiceError

GRADERS, STUDENTS = "formgrade-", "nbgrader-"
"""nbgrader's groups: who grades a course, and who takes it."""


class OutOfScope(ServiceError):
    """The viewer may not see that. It is not said whether it exists."""


@dataclass(frozen=True)
class Everybody:
    """The whole hub."""


@dataclass(frozen=True)
class Members:
    """The members of one group, each for the days on which they were in it."""

    group: str


@dataclass(frozen=True)
class Individual:
    """One person; only for their days in these groups, unless ``groups`` is None."""

    name: str
    groups: frozenset[str] | None = None
    themselves: bool = False
    """Asked by the person: then it is who has the name now, never somebody before them."""


Audience = Everybody | Members | Individual
"""Whom an answer is about."""


@dataclass(frozen=True)
class Rules:
    """Who sees everything: holders of the scope, and members of the groups, else Hub admins."""

    scope: str = ""
    groups: frozenset[str] = frozenset()
    """Where there are any, being an admin of the Hub is not enough."""

    def sees_everything(
        self, *, admin: bool, groups: Collection[str], scopes: Collection[str]
    ) -> bool:
        if self.scope and self.scope in scopes:
            return True
        if self.groups:
            return not self.groups.isdisjoint(groups)
        return admin


@dataclass(frozen=True)
class Viewer:
    """Somebody signed in, by what they may see."""

    name: str
    everything: bool = False
    teaches: frozenset[str] = frozenset()
    """The groups of students they may see."""

    @classmethod
    def of(
        cls,
        name: str,
        rules: Rules,
        *,
        admin: bool = False,
        groups: Collection[str] = (),
        scopes: Collection[str] = (),
    ) -> "Viewer":
        """The viewer with these groups and scopes; graders see their course's students."""
        courses = {g.removeprefix(GRADERS) for g in groups if g.startswith(GRADERS)}
        return cls(
            name=name,
            everything=rules.sees_everything(admin=admin, groups=groups, scopes=scopes),
            teaches=frozenset(STUDENTS + course for course in courses if course),
        )

    def may_see_group(self, group: str) -> bool:
        return self.everything or group in self.teaches

    def usual(self) -> Audience:
        """What they see first: the hub, their first course, or themselves."""
        if self.everything:
            return Everybody()
        if self.teaches:
            return Members(min(self.teaches))
        return self.audience(user=self.name)

    def audience(self, *, group: str = "", user: str = "") -> Audience:
        """The hub (nothing given), a group, or a person (in that group). Raises OutOfScope."""
        if group and not self.may_see_group(group):
            raise OutOfScope("you may not see that group")
        if user and user == self.name and not group:
            return Individual(user, themselves=True)
        if user:
            return self._other(group, user)
        if group:
            return Members(group)
        if not self.everything:
            raise OutOfScope("you may not see the whole hub")
        return Everybody()

    def _other(self, group: str, user: str) -> Individual:
        if group:
            return Individual(user, frozenset({group}))
        if self.everything:
            return Individual(user)
        if self.teaches:
            return Individual(user, self.teaches)
        raise OutOfScope("you may not see that person")


OPERATOR = Viewer(name="", everything=True)
"""Whoever has the database at hand, as the command line has."""
