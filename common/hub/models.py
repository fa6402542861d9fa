"""What the Hub and the proxy tell, as frozen values. ``common.hub.decoding`` makes them of JSON."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Server(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A single-user server; ``name`` is empty for the default one. Times are aware UTC.

    ``problems`` names the fields whose value could not be used: an unusable time is not
    the same as a null one, which is lawful.
    """

    name: str
    ready: bool = False
    pending: str | None = None
    stopped: bool = False
    url: str | None = None
    started: datetime | None = None
    last_activity: datetime | None = None
    user_options: dict[str, Any] | None = None
    problems: tuple[str, ...] = ()
    raw: dict[str, Any] | None = None  # as the Hub wrote it, only where that was asked for

    @property
    def profile(self) -> str | None:
        """What the user chose from a profile list (``user_options.profile``)."""
        chosen = (self.user_options or {}).get("profile")
        if not isinstance(chosen, str):
            return None
        # A lone surrogate is lawful in JSON and would break the log that it is written to.
        return chosen.encode("utf-8", "replace").decode()


class User(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Hub user. ``groups`` is empty too where our token may not read groups.

    Where "servers" is among the ``problems``, nothing is known of the user's servers.
    """

    name: Annotated[str, msgspec.Meta(min_length=1)]
    kind: str = "user"
    admin: bool = False
    groups: tuple[str, ...] = ()
    created: datetime | None = None
    last_activity: datetime | None = None
    servers: dict[str, Server] = {}
    problems: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A Hub group with the names of its members."""

    name: str
    users: tuple[str, ...] = ()
    properties: dict[str, Any] = {}
    problems: tuple[str, ...] = ()


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the proxy's table."""

    path: str
    target: str
    data: dict[str, Any] = {}
    last_activity: datetime | None = None


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a listing. ``next_offset`` is where the Hub says the next one begins.

    Its ``next.url`` is not kept: it may name another host, or a scheme that only the
    Hub's proxy knows. ``broken`` has a word on each item that could not be read. ``gap``
    is set where the listing changed so much that items may lie between this page and the
    one before.
    """

    items: list[T]
    next_offset: int | None = None
    total: int | None = None
    broken: tuple[str, ...] = ()
    gap: bool = False
