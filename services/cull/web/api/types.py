"""What the JSON API answers, and what the pages are made of. Times are aware and in UTC.

``openapi.py`` describes the API from these types, with the classes' docstrings.
"""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware time; with the zone in its JSON form."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """An extension that the user can have now."""

    until: Time
    """How far it moves the stop."""
    left: int
    """How many extensions are left for the last 24 hours, this one counted."""


class ServerView(msgspec.Struct, frozen=True, kw_only=True):
    """A server, and what the culler thinks of it."""

    user: str
    server: str
    """The server's name; empty for the default server."""
    groups: tuple[str, ...]
    admin: bool
    """Whether the user is an admin of the Hub."""
    state: str
    """"ready", "starting", or what the Hub says is pending ("spawn", "stop", "check")."""
    started: Time | None
    last_activity: Time | None
    stops_at: Time | None
    """When it will be stopped if nothing changes; null: not as things are."""
    action: str
    """What the culler would do now: "keep", "stop", ..."""
    reason: str
    """Why, as a word from a closed set."""
    why: str
    """Why, as a sentence."""
    rule: str
    """The rule that holds for it."""
    rule_does: str
    """What the rule does."""
    extended_until: Time | None
    held_until: Time | None
    """The latest end of the holds of the server, its user and its user's groups."""
    offer: Offer | None
    """Only for own servers: the extension that can be had now."""
    no_offer: str
    """Why there is no offer, where that is worth a word."""


class ServerList(msgspec.Struct, frozen=True, kw_only=True):
    """Servers, one page of them."""

    servers: list[ServerView]
    total: int
    """How many match."""
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
    """Extensions of this server in the last 24 hours."""
    limit: int


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that is in force."""

    id: int
    kind: Literal["server", "user", "group"]
    name: str
    """Of the user or the group."""
    server: str
    until: Time
    by: str
    why: str
    made: Time


class HoldList(msgspec.Struct, frozen=True, kw_only=True):
    """The holds in force, the first to end first."""

    holds: list[HoldView]


class PassView(msgspec.Struct, frozen=True, kw_only=True):
    """A pass of the culler over all servers."""

    started: Time
    seconds: float
    whole: bool
    """Whether every server was seen."""
    stopped: int
    removed: int
    deleted: int
    kept: int
    skipped: int
    failures: int
    errors: list[str]
    """The first of the failures, in words."""


class PassList(msgspec.Struct, frozen=True, kw_only=True):
    """The last passes, the newest first."""

    passes: list[PassView]


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """An audit line."""

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
    """Audit lines, the newest first."""

    events: list[AuditView]
    next_before: int | None
    """Ask with ``before`` set to this for the next ones; null: there are none."""


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the policy, in the order in which they are tried."""

    name: str
    matches: str
    """What it matches; empty for everything."""
    does: str


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """The policy in force."""

    rules: list[RuleView]
