"""Extensions, holds and audit events as plain values. Times are aware and in UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from common.errors import ServiceError

DAY = timedelta(days=1)
"""The daily limit counts the last 24 hours: midnight is at another time in each time zone."""


class ExtensionRefused(ServiceError):
    """The rule allows no further extension now.

    limit: extensions that the rule allows in 24 hours. again_at: when the next one is allowed;
    None for never.
    """

    def __init__(self, message: str, *, limit: int, again_at: datetime | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.again_at = again_at


def used_up(limit: int, made: Sequence[datetime]) -> ExtensionRefused:
    """The refusal of an extension beyond the limit. made: those of the last 24 hours, in order."""
    if limit <= 0:
        return ExtensionRefused("the rule of this server allows no extension", limit=limit)
    return ExtensionRefused(
        f"the rule of this server allows {limit} extension{'s' if limit != 1 else ''} a day",
        limit=limit,
        again_at=made[-limit] + DAY,
    )


class HoldKind(StrEnum):
    """What a hold protects."""

    SERVER = "server"
    USER = "user"
    GROUP = "group"


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A server that a user keeps running.

    used: extensions of this server in the last 24 hours, this one included.
    """

    user: str
    server: str
    until: datetime
    by: str
    made: datetime
    used: int


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A server, user or group that an administrator keeps running until a time.

    name: of the user or group. server: for a server hold; "" is the default server.
    """

    id: int
    kind: HoldKind
    name: str
    server: str
    until: datetime
    by: str
    why: str
    made: datetime


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An audit line: an action, its target, who took it, why, and by which rule.

    who: the name of a user or service; "culler" for the culler itself. action: "stop", "remove",
    "delete_user", "extend", "hold" or "release". target: "user", "server" or "group".
    server: "" is the default server; None if the target is not a server. until: the end of an
    extension or hold.
    """

    at: datetime
    who: str
    action: str
    target: str
    name: str
    server: str | None = None
    reason: str = ""
    rule: str = ""
    outcome: str = "done"
    until: datetime | None = None


def hold_event(hold: Hold, action: str, *, by: str, at: datetime) -> Event:
    """The audit line of a hold that was set ("hold") or ended ("release")."""
    return Event(
        at=at,
        who=by,
        action=action,
        target=hold.kind.value,
        name=hold.name,
        server=hold.server if hold.kind is HoldKind.SERVER else None,
        reason=hold.why,
        until=hold.until,
    )
