"""The responses of the JSON API, which the pages show as well. All times are aware and in UTC.

``openapi.py`` generates the API description from these types and their docstrings.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware time; its JSON form includes the offset."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The extension that "Keep running" gives now."""

    until: Time
    """The earliest time at which the server would stop after the extension."""
    left: int
    """How many extensions are left within 24 hours, including this one."""


class ServerView(msgspec.Struct, frozen=True, kw_only=True):
    """A running server, and what the culler will do with it."""

    user: str
    server: str
    """The server's name; empty for the default server."""
    groups: tuple[str, ...]
    admin: bool
    """Whether the user is an administrator of the Hub."""
    state: str
    """"ready", "starting", or the Hub's pending action ("spawn", "stop", "check")."""
    started: Time | None
    last_activity: Time | None
    stops_at: Time | None
    """When it will be stopped if nothing changes; null if it will not be stopped."""
    action: str
    """What the culler would do now: "keep", "stop" or "remove"."""
    reason: str
    """The reason, as a word from a closed set."""
    why: str
    """The reason, as a sentence."""
    rule: str
    """The name of the rule that applies to it."""
    rule_does: str
    """What the rule does."""
    extended_until: Time | None
    held_until: Time | None
    """The latest end of the holds of the server, its user and its user's groups."""
    offer: Offer | None
    """The extension that is possible now; only for the viewer's own servers."""
    no_offer: str
    """Why no extension is possible; empty where that needs no explanation."""


class ServerList(msgspec.Struct, frozen=True, kw_only=True):
    """One page of servers."""

    servers: list[ServerView]
    total: int
    """How many servers match."""
    page: int
    pages: int
    as_of: Time | None
    """When the Hub was asked; null: no pass was made yet."""


class Extended(msgspec.Struct, frozen=True, kw_only=True):
    """An extension that is in force."""

    user: str
    server: str
    until: Time
    used: int
    """The number of extensions of this server in the last 24 hours."""
    limit: int


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that is in force."""

    id: int
    kind: Literal["server", "user", "group"]
    name: str
    """The name of the user or group."""
    server: str
    until: Time
    by: str
    why: str
    made: Time


class HoldList(msgspec.Struct, frozen=True, kw_only=True):
    """The holds in force, ordered by their end."""

    holds: list[HoldView]


class PassView(msgspec.Struct, frozen=True, kw_only=True):
    """A pass over all servers."""

    started: Time
    seconds: float
    whole: bool
    """Whether all servers were checked."""
    stopped: int
    removed: int
    deleted: int
    kept: int
    skipped: int
    failures: int
    errors: list[str]
    """The first of the failures, as text."""


class PassList(msgspec.Struct, frozen=True, kw_only=True):
    """The last passes, the newest first."""

    passes: list[PassView]


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the audit log."""

    id: int
    at: Time
    who: str
    action: str
    target: str
    name: str
    server: str | None
    reason: str
    rule: str
    outcome: str
    until: Time | None


class AuditList(msgspec.Struct, frozen=True, kw_only=True):
    """Events of the audit log, the newest first."""

    events: list[AuditView]
    next_before: int | None
    """The value of ``before`` for the next, older events; null if there are none."""
    complete_since: Time | None
    complete_until: Time | None
    """Every stop by the culler between these times is an event; null: not known. The log is not
    complete while the culler or its database is away, and a pass is recorded when it is over."""


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the policy. Rules are tried in order."""

    name: str
    matches: str
    """What the rule matches; empty for everything."""
    does: str


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """The policy in force."""

    rules: list[RuleView]
