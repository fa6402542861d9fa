"""What the Hub and the proxy tell, as frozen values decoded by type.

A page of users is decoded in one go by its types. Only where that refuses is each item
read again leniently, so that garbage in one field costs that field (its name is kept in
``problems``) and a broken item costs that item, never the page.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from common.clock import as_utc


class Server(msgspec.Struct, frozen=True, kw_only=True):
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
        return chosen if isinstance(chosen, str) else None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A Hub user. ``groups`` is empty too where our token may not read groups."""

    name: str
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


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of users. ``next_offset`` is where the Hub says the next one begins.

    Its ``next.url`` is not kept: it may name another host, or a scheme that only the
    Hub's proxy knows.
    """

    items: list[User]
    next_offset: int | None = None
    total: int | None = None
    broken: tuple[str, ...] = ()


class _Next(msgspec.Struct, frozen=True):
    offset: int


class _Pagination(msgspec.Struct, frozen=True):
    total: int | None = None
    next: _Next | None = None


class _UsersPage(msgspec.Struct, frozen=True):
    items: list[User]
    pagination: _Pagination = msgspec.field(name="_pagination", default_factory=_Pagination)


class _LenientPage(msgspec.Struct, frozen=True):
    items: list[Any]
    pagination: _Pagination = msgspec.field(name="_pagination", default_factory=_Pagination)


_TYPED = msgspec.json.Decoder(_UsersPage)
_SERVER = msgspec.json.Decoder(Server)
_LENIENT = msgspec.json.Decoder(_LenientPage)


def decode_users_page(body: bytes, *, raw: bool = False) -> Page:
    """A page of ``GET /users`` in the Hub's pagination format.

    With ``raw``, servers keep what the Hub wrote, at some cost in time and memory.

    :raises ValueError: when the body is not a page of items at all
    """
    if not raw:
        with suppress(msgspec.ValidationError, OverflowError):
            typed = _TYPED.decode(body)
            items = [_all_utc(user) for user in typed.items]
            return _page(typed.pagination, items, ())
    lenient = _LENIENT.decode(body)
    read = [_lenient_user(item, raw=raw) for item in lenient.items]
    items = [user for user in read if isinstance(user, User)]
    return _page(lenient.pagination, items, tuple(one for one in read if isinstance(one, str)))


def _page(about: _Pagination, items: list[User], broken: tuple[str, ...]) -> Page:
    next_offset = about.next.offset if about.next else None
    return Page(items=items, next_offset=next_offset, total=about.total, broken=broken)


def decode_user(body: bytes, *, raw: bool = False) -> User:
    """One user's model.

    :raises ValueError: when there is no user in it
    """
    user = _lenient_user(msgspec.json.decode(body), raw=raw)
    if isinstance(user, str):
        raise ValueError(f"not a user: {user}")  # noqa: TRY004 - bad data, not a bad call
    return user


def decode_server(body: bytes, *, raw: bool = False) -> Server:
    """One server's model.

    :raises ValueError: when there is no server in it
    """
    if not raw:
        with suppress(msgspec.ValidationError, OverflowError):
            return _server_all_utc(_SERVER.decode(body))
    value = msgspec.json.decode(body)
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError("not a server")  # noqa: TRY004 - bad data, not a bad call
    return _lenient_server(value["name"], value, raw=raw)


def decode_groups_page(body: bytes) -> tuple[list[Group], int | None]:
    """A page of ``GET /groups``, and the offset of the next one.

    :raises ValueError: when the body is not a page of items at all
    """
    page = _LENIENT.decode(body)
    groups = []
    for item in page.items:
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            fields = _Fields(item)
            groups.append(
                Group(
                    name=item["name"],
                    users=fields.get("users", tuple[str, ...], ()),
                    properties=fields.get("properties", dict[str, Any], {}),
                    problems=tuple(fields.problems),
                )
            )
    return groups, page.pagination.next.offset if page.pagination.next else None


def _is_utc(value: datetime | None) -> bool:
    return value is None or (value.tzinfo is not None and not value.utcoffset())


def _all_utc(user: User) -> User:
    """The user with every time in UTC; the same object where it is so already."""
    servers = {name: _server_all_utc(server) for name, server in user.servers.items()}
    same = all(servers[name] is server for name, server in user.servers.items())
    if same and _is_utc(user.created) and _is_utc(user.last_activity):
        return user
    return msgspec.structs.replace(
        user,
        servers=servers,
        created=as_utc(user.created) if user.created else None,
        last_activity=as_utc(user.last_activity) if user.last_activity else None,
    )


def _server_all_utc(server: Server) -> Server:
    if _is_utc(server.started) and _is_utc(server.last_activity):
        return server
    return msgspec.structs.replace(
        server,
        started=as_utc(server.started) if server.started else None,
        last_activity=as_utc(server.last_activity) if server.last_activity else None,
    )


class _Fields:
    """Reads fields of a mapping by type and notes those that could not be used."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.source = source
        self.problems: list[str] = []

    def get(self, name: str, kind: Any, default: Any) -> Any:
        value = self.source.get(name)
        if value is None:
            return default
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            self.problems.append(name)
            return default

    def time(self, name: str) -> datetime | None:
        value = self.get(name, datetime, None)
        try:
            return as_utc(value) if value is not None else None
        except OverflowError:  # year 1 in a zone east of Greenwich
            self.problems.append(name)
            return None


def _lenient_server(name: str, value: Any, *, raw: bool = False) -> Server:
    if not isinstance(value, dict):
        return Server(name=name, problems=("server",))
    fields = _Fields(value)
    return Server(
        name=name,
        ready=fields.get("ready", bool, False),
        pending=fields.get("pending", str, None),
        stopped=fields.get("stopped", bool, False),
        url=fields.get("url", str, None),
        started=fields.time("started"),
        last_activity=fields.time("last_activity"),
        user_options=fields.get("user_options", dict[str, Any], None),
        problems=tuple(fields.problems),
        raw=value if raw else None,
    )


def _lenient_user(value: Any, *, raw: bool = False) -> User | str:
    """The user, or a word on why there is none in the value."""
    if not isinstance(value, dict):
        return f"an item of type {type(value).__name__}"
    name = value.get("name")
    if not isinstance(name, str) or not name:
        return "an item without a name"
    fields = _Fields(value)
    servers = fields.get("servers", dict[str, Any], {})
    return User(
        name=name,
        kind=fields.get("kind", str, "user"),
        admin=fields.get("admin", bool, False),
        groups=fields.get("groups", tuple[str, ...], ()),
        created=fields.time("created"),
        last_activity=fields.time("last_activity"),
        servers={key: _lenient_server(key, one, raw=raw) for key, one in servers.items()},
        problems=tuple(fields.problems),
    )
