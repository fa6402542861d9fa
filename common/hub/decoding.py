"""Decodes the Hub's JSON: strictly if possible, leniently otherwise.

A page of users is first decoded in one step by type. If that fails, each item is decoded
leniently: an invalid field loses only that field (its name is added to ``problems``), and an
invalid item loses only that item, never the page.

The Hub writes JSON with Python's ``json`` module, which allows values that JSON does not: NaN,
Infinity, numbers of any size and lone surrogates. A user can put those into a server's options,
so a page that contains them is decoded with Python's module as well.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from common.clock import as_utc
from common.hub.models import Group, Page, Server, T, User


class _Next(msgspec.Struct, frozen=True):
    offset: int


class _Pagination(msgspec.Struct, frozen=True):
    total: int | None = None
    next: _Next | None = None


class _UsersPage(msgspec.Struct, frozen=True):
    items: list[User]
    pagination: _Pagination = msgspec.field(name="_pagination")


class _LenientPage(msgspec.Struct, frozen=True):
    items: list[Any]
    pagination: _Pagination = msgspec.field(name="_pagination")


_TYPED = msgspec.json.Decoder(_UsersPage)
_SERVER = msgspec.json.Decoder(Server)


def decode_users_page(body: bytes, *, keep_model: bool = False) -> Page[User]:
    """A page of ``GET /users`` in the Hub's pagination format.

    With ``keep_model``, servers keep the Hub's own JSON, at some cost in time and memory.

    :raises ValueError: the body is not a page of items
    """
    if not keep_model:
        with suppress(msgspec.DecodeError, OverflowError):
            typed = _TYPED.decode(body)
            # A user without this field is not a user without servers: see _lenient_user.
            if body.count(b'"servers":') >= len(typed.items):
                return _page(typed.pagination, [_in_utc(user) for user in typed.items])
    page = msgspec.convert(_loads(body), _LenientPage)
    read = [_lenient_user(item, keep_model=keep_model) for item in page.items]
    return _page(page.pagination, read)


def decode_user(body: bytes, *, keep_model: bool = False) -> User:
    """One user's model.

    :raises ValueError: the body is not a user
    """
    return _only(_lenient_user(_loads(body), keep_model=keep_model))


def decode_server(body: bytes, *, keep_model: bool = False) -> Server:
    """One server's model.

    :raises ValueError: the body is not a server
    """
    if not keep_model:
        with suppress(msgspec.DecodeError, OverflowError):
            server = _SERVER.decode(body)
            return _server_in_utc(server.name, server)
    value = _loads(body)
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise ValueError("not a server")  # noqa: TRY004 - bad data, not a bad call
    return _lenient_server(name, value, keep_model=keep_model)


def decode_groups_page(body: bytes) -> Page[Group]:
    """A page of ``GET /groups``.

    :raises ValueError: the body is not a page of items
    """
    page = msgspec.convert(_loads(body), _LenientPage)
    return _page(page.pagination, [_lenient_group(item) for item in page.items])


def decode_group(body: bytes) -> Group:
    """One group's model.

    :raises ValueError: the body is not a group
    """
    return _only(_lenient_group(_loads(body)))


def _loads(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return json.loads(body)


def _page(about: _Pagination, read: list[T | str]) -> Page[T]:
    """The page, with the reasons for invalid items apart from the valid items."""
    return Page(
        items=[item for item in read if not isinstance(item, str)],
        next_offset=about.next.offset if about.next else None,
        total=about.total,
        broken=tuple(item for item in read if isinstance(item, str)),
    )


def _only(read: T | str) -> T:
    if isinstance(read, str):
        raise ValueError(f"not the requested model: {read}")  # noqa: TRY004 - bad data
    return read


def _is_utc(value: datetime | None) -> bool:
    return value is None or value.tzinfo is UTC


def _in_utc(user: User) -> User:
    """The user with every time in UTC; the same object if nothing changes."""
    servers = user.servers
    for name, server in servers.items():
        if _server_in_utc(name, server) is not server:
            servers = {name: _server_in_utc(name, server) for name, server in servers.items()}
            break
    if servers is user.servers and _is_utc(user.created) and _is_utc(user.last_activity):
        return user
    return msgspec.structs.replace(
        user,
        servers=servers,
        created=as_utc(user.created) if user.created else None,
        last_activity=as_utc(user.last_activity) if user.last_activity else None,
    )


def _server_in_utc(name: str, server: Server) -> Server:
    """The server with every time in UTC, named by its key, which is the name that reaches it."""
    if server.name == name and _is_utc(server.started) and _is_utc(server.last_activity):
        return server
    return msgspec.structs.replace(
        server,
        name=name,
        started=as_utc(server.started) if server.started else None,
        last_activity=as_utc(server.last_activity) if server.last_activity else None,
    )


class _Fields:
    """Reads fields of a mapping by type and collects the names of invalid ones."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.source = source
        self.problems: list[str] = []

    def get(self, name: str, kind: Any, default: Any, *, invalid: Any = None) -> Any:
        """The field's value; ``default`` if it is missing or null.

        An invalid value is replaced with ``invalid``, or with ``default`` if that is None.
        """
        value = self.source.get(name)
        if value is None:
            return default
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            self.problems.append(name)
            return default if invalid is None else invalid

    def time(self, name: str) -> datetime | None:
        value = self.get(name, datetime, None)
        try:
            return as_utc(value) if value is not None else None
        except OverflowError:  # year 1 in a zone east of Greenwich
            self.problems.append(name)
            return None


def _lenient_server(name: str, value: Any, *, keep_model: bool = False) -> Server:
    if not isinstance(value, dict):
        return Server(name=name, pending="unknown", problems=("server",))
    fields = _Fields(value)
    return Server(
        name=name,
        ready=fields.get("ready", bool, False),
        # Pending servers are never stopped, so an unreadable value must count as pending.
        pending=fields.get("pending", str, None, invalid="unknown"),
        stopped=fields.get("stopped", bool, False),
        url=fields.get("url", str, None),
        started=fields.time("started"),
        last_activity=fields.time("last_activity"),
        user_options=fields.get("user_options", dict[str, Any], None),
        problems=tuple(fields.problems),
        model=value if keep_model else None,
    )


#: Fields that can protect a user from being culled. If one is invalid, the user is not used.
_PROTECTING = frozenset({"kind", "admin", "groups"})


def _lenient_user(value: Any, *, keep_model: bool = False) -> User | str:
    """The user, or the reason why the value is not one.

    If the servers are missing, for example because the token may not read them, "servers" is
    added to the user's problems: missing servers must not be taken for stopped ones.
    """
    if (name := _name(value)) is None:
        return _no_name(value)
    fields = _Fields(value)
    servers = fields.get("servers", dict[str, Any], {})
    if value.get("servers") is None:
        fields.problems.append("servers")
    user = User(
        name=name,
        kind=fields.get("kind", str, "user"),
        admin=fields.get("admin", bool, False),
        groups=fields.get("groups", tuple[str, ...], ()),
        created=fields.time("created"),
        last_activity=fields.time("last_activity"),
        servers={
            key: _lenient_server(key, one, keep_model=keep_model) for key, one in servers.items()
        },
        problems=tuple(fields.problems),
    )
    unknown = sorted(_PROTECTING.intersection(user.problems))
    return f"a user with invalid {', '.join(unknown)}" if unknown else user


def _lenient_group(value: Any) -> Group | str:
    """The group, or the reason why the value is not one."""
    if (name := _name(value)) is None:
        return _no_name(value)
    fields = _Fields(value)
    return Group(
        name=name,
        users=fields.get("users", tuple[str, ...], ()),
        properties=fields.get("properties", dict[str, Any], {}),
        problems=tuple(fields.problems),
    )


def _name(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) and name else None


def _no_name(value: Any) -> str:
    if isinstance(value, dict):
        return "an item without a name"
    return f"an item of type {type(value).__name__}"
