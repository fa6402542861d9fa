"""Rules, and which users and servers they match. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property

from common.hub.models import Server, User
from services.cull.policy.windows import Span, Weekly


class RuleAction(StrEnum):
    """What a rule does with a server that is due."""

    STOP = "stop"
    REMOVE = "remove"
    NEVER = "never"


class Kind(StrEnum):
    """Whether a server is the user's default server or a named one."""

    DEFAULT = "default"
    NAMED = "named"


@dataclass(frozen=True)
class Match:
    """What a rule matches; an empty condition matches everything.

    All conditions must match, each by any of its values. This includes ``hours`` and
    ``between``. Globs support ``*``, ``?`` and ``[...]`` and are case-sensitive.
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
        """Whether there are conditions that only servers can match, so that no user does."""
        return bool(self.servers or self.profiles or self.kind is not None)

    @cached_property
    def everything(self) -> bool:
        """Whether there are no conditions."""
        return self == Match()

    def matches_user(self, user: User, now: datetime) -> bool:
        """Whether the conditions on user and time match."""
        if self.users and not _any_glob(user.name, self.users):
            return False
        if self.groups and not any(_any_glob(group, self.groups) for group in user.groups):
            return False
        if self.admin is not None and user.admin is not self.admin:
            return False
        return self._matches_time(now)

    def matches(self, user: User, server: Server, now: datetime) -> bool:
        """Whether all conditions match."""
        if self.everything:  # the default rule, and often the only one
            return True
        # A server without name or profile does not match any glob for it, not even "*".
        if self.servers and not (server.name and _any_glob(server.name, self.servers)):
            return False
        if self.kind is not None and self.kind is not kind_of(server):
            return False
        if self.profiles and not (server.profile and _any_glob(server.profile, self.profiles)):
            return False
        return self.matches_user(user, now)

    def _matches_time(self, now: datetime) -> bool:
        if self.hours and not any(hours.contains(now) for hours in self.hours):
            return False
        return not self.between or any(span.contains(now) for span in self.between)


@dataclass(frozen=True)
class Rule:
    """A complete rule, with defaults from the flags. Times in seconds; None means never.

    ``idle_timeout`` and ``max_age`` apply to servers, ``user_timeout`` and ``user_max_age`` to
    users where users are culled. One "Keep running" adds ``extend_by`` (None: not offered), up
    to ``extensions_per_day`` times.
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
    """Whether a server is a default or a named one."""
    return Kind.NAMED if server.name else Kind.DEFAULT


def _any_glob(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)
