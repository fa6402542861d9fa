"""The Hub's and the proxy's models as frozen values; ``common.hub.decoding`` decodes them."""

from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Server(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A single-user server; ``name`` is empty for the default server. Times are aware UTC.

    ``problems`` lists the fields with invalid values: an invalid time is not the same as a null
    one, which is valid. ``model`` is the Hub's own JSON, kept only on request.
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
    model: dict[str, Any] | None = None

    @property
    def profile(self) -> str | None:
        """The profile that the user selected (``user_options.profile``)."""
        return self._option("profile")

    @property
    def image(self) -> str | None:
        """The image that the user selected; None if they had no choice.

        DockerSpawner has it in ``user_options.image``. KubeSpawner has there the name of the choice
        that the profile offers, and what the user typed instead in ``image--unlisted-choice``.
        The image of a server whose user had no choice is not in the Hub's API, not even with the
        scope admin:server_state: neither spawner keeps it in its state.
        """
        return self._option("image--unlisted-choice") or self._option("image")

    def _option(self, name: str) -> str | None:
        chosen = (self.user_options or {}).get(name)
        if isinstance(chosen, list) and len(chosen) == 1:
            # Unless a spawner or its configuration converts a form, each field is a list.
            (chosen,) = chosen
        if not isinstance(chosen, str):
            return None
        # A lone surrogate is valid in JSON but cannot be encoded when it is logged.
        return chosen.encode("utf-8", "replace").decode()


class User(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A Hub user. ``groups`` is also empty if the token may not read groups.

    If ``problems`` contains "servers", the user's servers are not known.
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
    """One entry of the proxy's route table."""

    path: str
    target: str
    data: dict[str, Any] = {}
    last_activity: datetime | None = None


class HubInfo(msgspec.Struct, frozen=True):
    """The Hub's public information."""

    version: str


class TokenOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The user or service that owns the token, and the token's scopes."""

    name: str
    kind: str = "user"
    admin: bool = False
    scopes: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a listing. ``next_offset`` is where the next page begins, according to the Hub.

    The Hub's ``next.url`` is not kept: it may name another host, or a scheme that only the Hub's
    proxy knows. ``broken`` holds the reason for each item that could not be decoded. ``gap`` is
    set if the listing changed so much that items between the previous page and this one may have
    been missed.
    """

    items: list[T]
    next_offset: int | None = None
    total: int | None = None
    broken: tuple[str, ...] = ()
    gap: bool = False
