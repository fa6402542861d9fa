"""The rules of a policy and what they match. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property

from common.hub.models import Server, User
from services.cull.policy.windows import Span, Weekly


class RuleAction(StrEnum):
    """What a rule does with a server whose time has come."""

    STOP = "stop"
    REMOVE = "remove"
    NEVER = "never"


class Kind(StrEnum):
    """The default server of a user, or one of the named ones."""

    DEFAULT = "default"
    NAMED = "named"


@dataclass(frozen=True)
class Match:
    """What a rule applies to; an empty condition is no condition.

    Globs know ``*``, ``?`` and ``[...]`` and mind upper and lower case. All conditions must
    hold; of the values of one, any. Of the times, ``hours`` and ``between`` each must hold
    where given, by any of their entries.
    """

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    kind: Kind | None = None
    admin: bool | None = None
    profiles: tuple[str, ...] = ()
    hours: tuple[Weekly, ...] = ()
    between: tuple[Span, ...] = ()

    @property
    def only_servers(self) -> bool:
        """Whether this asks for something that only a server has, so that no user matches."""
        return bool(self.servers or self.profiles or self.kind is not None)

    @cached_property
    def everything(self) -> bool:
        """Whether there is no condition at all."""
        return self == Match()

    def holds_for_user(self, user: User, now: datetime) -> bool:
        """Whether the conditions on the user and on the time hold."""
        if self.users and not _any_glob(user.name, self.users):
            return False
        if self.groups and not any(_any_glob(group, self.groups) for group in user.groups):
            return False
        if self.admin is not None and user.admin is not self.admin:
            return False
        return self._holds_at(now)

    def holds_for(self, user: User, server: Server, now: datetime) -> bool:
        """Whether every condition holds."""
        if self.everything:  # the rule that the flags make, and often the only one
            return True
        # What has no name or profile matches no glob for one, not even "*".
        if self.servers and not (server.name and _any_glob(server.name, self.servers)):
            return False
        if self.kind is not None and self.kind is not kind_of(server):
            return False
        if self.profiles and not (server.profile and _any_glob(server.profile, self.profiles)):
            return False
        return self.holds_for_user(user, now)

    def _holds_at(self, now: datetime) -> bool:
        if self.hours and not any(hours.contains(now) for hours in self.hours):
            return False
        return not self.between or any(span.contains(now) for span in self.between)


@dataclass(frozen=True)
class Rule:
    """One rule, whole: what its file left out is filled in from the flags. Seconds.

    ``idle_timeout`` None: idleness never stops. ``max_age`` None: age never does.
    ``extend_by`` is what one "Keep running" adds, None where it is not offered, and
    ``extensions_per_day`` how often. ``user_timeout`` and ``user_max_age`` are for the user
    as a whole, where users are culled; None never.
    """

    name: str
    match: Match = Match()
    action: RuleAction = RuleAction.STOP
    idle_timeout: float | None = 600
    max_age: float | None = None
    extend_by: float | None = 3600
    extensions_per_day: int = 3
    user_timeout: float | None = None
    user_max_age: float | None = None


def kind_of(server: Server) -> Kind:
    """Default or named."""
    return Kind.NAMED if server.name else Kind.DEFAULT


def _any_glob(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)
