"""The values of a decision: policy, flags, protections, action and reason. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from common.hub.models import Server, User
from services.cull.policy.rules import Rule, RuleAction

DEFAULT_RULE = "default"


class Action(StrEnum):
    """What to do with a server or user."""

    KEEP = "keep"
    STOP = "stop"
    REMOVE = "remove"
    DELETE_USER = "delete_user"


class Reason(StrEnum):
    """Why; the values are metric labels."""

    IDLE = "idle"
    MAX_AGE = "max_age"
    ACTIVE = "active"
    NEVER = "never"
    HELD = "held"
    EXTENDED = "extended"
    SETTLING = "settling"
    PENDING = "pending"
    NOT_READY = "not_ready"
    NO_TIME = "no_time"
    NO_PROFILE = "no_profile"
    DEFAULT_SPARED = "default_spared"
    NAMED_SPARED = "named_spared"
    ADMIN_SPARED = "admin_spared"
    MEMBER_SPARED = "member_spared"
    UNUSED_SPARED = "unused_spared"
    ARBITER = "arbiter"
    SERVERS_RUNNING = "servers_running"
    NOT_CULLED = "not_culled"


@dataclass(frozen=True)
class Flags:
    """The policy flags of the command line, named as in jupyterhub-idle-culler. Times in seconds.

    Without a ``timeout`` no server is stopped because it is idle. A ``max_age`` of 0 means no
    limit. ``cull_admin_users`` is off by default, unlike there; so are ``cull_group_members`` and
    ``cull_unused_users``, which do not exist there.
    """

    timeout: float | None = 600
    max_age: float = 0
    cull_users: bool = False
    cull_admin_users: bool = False
    cull_group_members: bool = False
    cull_unused_users: bool = False
    cull_default_servers: bool = True
    cull_named_servers: bool = True
    remove_named_servers: bool = False
    extend_by: float = 3600
    extensions_per_day: int = 3


@dataclass(frozen=True)
class Policy:
    """The rules in order. The last one, from the flags, matches everything."""

    rules: tuple[Rule, ...]
    flags: Flags = Flags()

    @classmethod
    def from_flags(cls, flags: Flags) -> "Policy":
        """A policy with the default rule only."""
        return cls((default_rule(flags),), flags)

    @property
    def needs_groups(self) -> bool:
        """Whether decisions depend on groups, so that the token needs the scope to read them."""
        spares_members = self.flags.cull_users and not self.flags.cull_group_members
        return spares_members or self.matches_groups

    @property
    def matches_groups(self) -> bool:
        """Whether a rule matches groups."""
        return any(rule.match.groups for rule in self.rules)

    @property
    def needs_profile(self) -> bool:
        """Whether a rule matches the profile that a server was started with."""
        return any(rule.match.profiles for rule in self.rules)

    def rule_for(self, user: User, server: Server, now: datetime) -> Rule:
        """The first rule that matches a server at this moment."""
        for rule in self.rules:  # a loop, not next(...): this runs for every server
            if rule.match.matches(user, server, now):
                return rule
        return self.rules[-1]

    def rule_for_user(self, user: User, now: datetime) -> Rule:
        """The first rule that matches a user at this moment; rules for servers do not."""
        return next(
            rule
            for rule in self.rules
            if not rule.match.only_servers and rule.match.matches_user(user, now)
        )


def default_rule(flags: Flags) -> Rule:
    """The rule from the flags."""
    return Rule(
        name=DEFAULT_RULE,
        action=RuleAction.REMOVE if flags.remove_named_servers else RuleAction.STOP,
        idle_timeout=flags.timeout,
        max_age=flags.max_age or None,
        extend_by=flags.extend_by or None,
        extensions_per_day=flags.extensions_per_day,
        user_timeout=flags.timeout,
        user_max_age=flags.max_age or None,
    )


@dataclass(frozen=True)
class Protections:
    """The times before which a target is not stopped: users' extensions, administrators' holds."""

    extensions: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    server_holds: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    user_holds: Mapping[str, datetime] = field(default_factory=dict)
    group_holds: Mapping[str, datetime] = field(default_factory=dict)

    def held_until(self, user: User, server: str | None) -> datetime | None:
        """When the last hold on a server (None: on any server), its user or its groups ends."""
        if not (self.user_holds or self.group_holds or self.server_holds):
            return None
        ends = [self.user_holds.get(user.name)]
        ends += [self.group_holds.get(group) for group in user.groups if self.group_holds]
        ends += _of_server(self.server_holds, user.name, server)
        return max((end for end in ends if end is not None), default=None)

    def extended_until(self, user: User, server: str | None) -> datetime | None:
        """When the extension of a server ends (None: the last one of all the user's servers)."""
        if not self.extensions:
            return None
        return max(_of_server(self.extensions, user.name, server), default=None)


def _of_server(
    ends: Mapping[tuple[str, str], datetime], user: str, server: str | None
) -> list[datetime]:
    if server is not None:
        end = ends.get((user, server))
        return [] if end is None else [end]
    return [end for (name, _), end in ends.items() if name == user]


NO_PROTECTIONS = Protections()


def is_running(server: Server) -> bool:
    """Whether a server is running, starting or stopping: a model may list stopped named ones."""
    return server.ready or server.pending is not None or not server.stopped


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What to do, why, and under which rule.

    ``due`` is when the target is stopped if nothing changes; None means never under this rule.
    ``idle_since`` is the last activity; None if there is no usable time.
    """

    action: Action
    reason: Reason
    rule: str
    due: datetime | None = None
    idle_since: datetime | None = None
