"""What one poll saw of a user and of their servers: only the fields that are needed. Pure."""

from datetime import datetime, timedelta
from sys import intern
from typing import NamedTuple

from common.clock import as_utc
from common.hub.models import Server
from services.stats.records import Person

#: Accuracy of the Hub's ``last_activity``: servers and the proxy report it every 5 minutes.
ACCURACY = timedelta(seconds=300)

#: A time this little after the start of the poll is normal: pages take time and clocks differ.
AHEAD = timedelta(seconds=60)


LONGEST_LABEL = 255
"""Characters kept of the name of a profile or image; users may send a text of any length."""


def whole_second(moment: datetime) -> datetime:
    """The time in UTC, truncated to the second, as it is stored."""
    return as_utc(moment).replace(microsecond=0)


def storable(text: str) -> str:
    """Replace NUL, the one character that PostgreSQL does not accept in text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


class ServerSeen(NamedTuple):
    """One server as one poll saw it."""

    name: str
    ready: bool
    pending: str | None
    started: datetime | None
    last_activity: datetime | None
    profile: str | None
    image: str | None
    problems: tuple[str, ...]
    """The fields that JupyterHub sent with an invalid value."""

    @classmethod
    def of(cls, server: Server) -> "ServerSeen":
        """Copy the fields. Names are interned: thousands of servers share a few of them."""
        return cls(
            intern(storable(server.name)),
            server.ready,
            server.pending,
            server.started,
            server.last_activity,
            _label(server.profile),
            _label(server.image),
            server.problems,
        )


def _label(text: str | None) -> str | None:
    """The name of a profile or image as it is stored. An empty one is no choice."""
    return intern(storable(text[:LONGEST_LABEL])) if text else None


class UserSeen(NamedTuple):
    """One user as one poll saw them."""

    groups: tuple[str, ...] | None
    """None: the token may not read groups, or the value was invalid."""
    created: datetime | None
    new_activity: datetime | None
    """The user's ``last_activity`` if it is later than the last poll, else None."""
    servers: tuple[ServerSeen, ...] = ()
    excluded: bool = False
    """Whether they are not counted, by name or as an administrator."""

    def may_be(self, person: Person) -> bool:
        """Whether this can be the known person of the same name: the creation times agree."""
        return self.created is None or person.created is None or self.created == person.created
