"""Decoding the Hub's responses, whatever they contain."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.hub.decoding import (
    decode_group,
    decode_groups_page,
    decode_server,
    decode_user,
    decode_users_page,
)
from common.hub.models import User

STAMP = "2026-03-02T12:00:00.123456Z"
MOMENT = datetime(2026, 3, 2, 12, 0, 0, 123456, UTC)


def a_server(**changes: Any) -> dict[str, Any]:
    return {
        "name": "",
        "ready": True,
        "pending": None,
        "started": STAMP,
        "last_activity": STAMP,
        "url": "/user/ana/",
        "user_options": {"profile": "gpu"},
    } | changes


def a_user(server: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    servers = {"": server or a_server()}
    return {"name": "ana", "kind": "user", "admin": False, "servers": servers} | changes


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def page(*items: Any) -> bytes:
    return dumps({"items": items, "_pagination": {"next": None, "total": 1}})


def only(*items: Any) -> User:
    (user,) = decode_users_page(page(*items)).items
    return user


def test_a_page_is_decoded_by_its_types() -> None:
    """Times are aware and in UTC, and the profile is the selected option."""
    server = only(a_user()).servers[""]
    assert (server.started, server.last_activity) == (MOMENT, MOMENT)
    assert server.profile == "gpu"
    assert server.problems == ()


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-03-02T12:00:00.123456", MOMENT),
        ("2026-03-02T13:00:00.123456+01:00", MOMENT),
        ("2026-03-02T12:00:00.123456Z", MOMENT),
        (None, None),
    ],
)
def test_times_are_utc_however_they_are_written(written: str | None, moment: object) -> None:
    """A naive time is UTC, an offset is converted, null is valid."""
    server = only(a_user(a_server(last_activity=written))).servers[""]
    assert server.last_activity == moment
    assert server.problems == ()
    if server.last_activity is not None:
        assert server.last_activity.tzinfo is UTC


@pytest.mark.parametrize(
    "garbage",
    ["yesterday", "", 7, True, [], {}, "2026-13-45T99:00:00Z", "0001-01-01T00:00:00+14:00"],
)
def test_garbage_in_a_time_costs_that_time(garbage: object) -> None:
    """A server with an invalid time has no time, and the field is listed as a problem."""
    server = only(a_user(a_server(last_activity=garbage))).servers[""]
    assert server.last_activity is None
    assert server.started == MOMENT
    assert server.problems == ("last_activity",)


@pytest.mark.parametrize("field", ["name", "ready", "pending", "started", "url", "user_options"])
def test_a_missing_field_costs_that_field(field: str) -> None:
    """A missing field has a safe default: not ready, no time, no profile."""
    server = a_server()
    del server[field]
    read = only(a_user(server)).servers[""]
    assert read.name == ""
    assert read.last_activity == MOMENT


@pytest.mark.parametrize("broken", [None, 5, "user", [], {}, {"name": 3}, {"name": ""}])
def test_a_broken_item_costs_that_item(broken: object) -> None:
    """The other items of the page are decoded, and the invalid one is reported."""
    read = decode_users_page(page(a_user(), broken, a_user(name="bob")))
    assert [user.name for user in read.items] == ["ana", "bob"]
    assert len(read.broken) == 1


@pytest.mark.parametrize("servers", [None, 5, []])
def test_servers_that_cannot_be_read_are_a_problem(servers: object) -> None:
    """A user whose servers are missing is not a user without servers."""
    for user in (only(a_user(servers=servers)), decode_user(dumps(a_user(servers=servers)))):
        assert user.servers == {}
        assert user.problems == ("servers",)


def test_servers_that_are_left_out_are_a_problem() -> None:
    """The Hub omits the servers of users whose servers the token may not read."""
    silent = a_user(name="bob")
    del silent["servers"]
    (ana, bob) = decode_users_page(page(a_user(), silent)).items
    assert (ana.problems, bob.problems) == ((), ("servers",))


@pytest.mark.parametrize("server", [None, 7, []])
def test_a_server_that_cannot_be_read_is_left_alone(server: object) -> None:
    """An invalid server counts as pending, so that its user counts as one with a server."""
    (read,) = only(a_user(servers={"": server})).servers.values()
    assert (read.ready, read.pending, read.problems) == (False, "unknown", ("server",))


@pytest.mark.parametrize(
    ("field", "garbage"), [("groups", 7), ("groups", [3]), ("admin", "yes"), ("kind", [])]
)
def test_garbage_in_who_somebody_is_costs_the_item(field: str, garbage: object) -> None:
    """If such a field is invalid, it is unknown whether a rule protects the user."""
    read = decode_users_page(page(a_user() | {field: garbage}, a_user(name="bob")))
    assert [user.name for user in read.items] == ["bob"]
    assert read.broken == (f"a user with invalid {field}",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"items": 3, "_pagination": {}}',
        b'{"items": []}',
        b'{"items": [], "_pagination": {"next": {"offset": "x"}}}',
        b"<html>",
        b"\xff\xfe",
    ],
)
def test_what_is_no_page_is_an_error(body: bytes) -> None:
    """An invalid body raises ValueError, so that the request is retried."""
    for decode in (decode_users_page, decode_groups_page):
        with pytest.raises(ValueError):  # noqa: PT011 - each decoder has its own words
            decode(body)


def test_a_single_model_may_be_broken_in_parts() -> None:
    """A single model is decoded as leniently as one on a page."""
    server = decode_server(json.dumps(a_server(started=5)).encode())
    assert (server.started, server.problems) == (None, ("started",))
    assert decode_user(json.dumps(a_user(created="x")).encode()).problems == ("created",)
    for body in (b"[]", b"{}", b"{"):
        for decode in (decode_server, decode_user):
            with pytest.raises(ValueError):  # noqa: PT011 - each decoder has its own words
                decode(body)


@pytest.mark.parametrize(
    "option", ["NaN", "-Infinity", "1e999", "1" + "0" * 400, '"\\ud800"'], ids=lambda text: text[:9]
)
def test_what_only_python_calls_json_loses_nothing(option: str) -> None:
    """The Hub passes on a user's server options, even those that are not valid JSON."""
    body = page(a_user(a_server(user_options={"profile": "OPTION"})), a_user(name="bob"))
    read = decode_users_page(body.replace(b'"OPTION"', option.encode()))
    assert [user.name for user in read.items] == ["ana", "bob"]
    assert read.items[0].servers[""].last_activity == MOMENT
    assert (read.items[0].servers[""].profile or "").isascii()
    one = json.dumps(a_server(user_options={"x": "OPTION"})).replace('"OPTION"', option)
    assert decode_server(one.encode()).started == MOMENT


def test_a_server_has_the_name_under_which_it_is_kept() -> None:
    """A server has the name of its key, which is the name that a stop uses."""
    user = only({"name": "ana", "servers": {"gpu": a_server(name="other")}})
    assert user.servers["gpu"].name == "gpu"


def test_what_cannot_be_read_as_pending_is_pending() -> None:
    """An invalid ``pending`` counts as pending, so that the server is not stopped."""
    server = only(a_user(a_server(pending=["stop"]))).servers[""]
    assert (server.pending, server.problems) == ("unknown", ("pending",))


def test_what_the_hub_wrote_is_kept_where_it_was_asked_for() -> None:
    """Arbiter hooks in existing configurations receive the Hub's own mapping."""
    body = page(a_user(a_server(state={"pid": 7})))
    (user,) = decode_users_page(body, keep_model=True).items
    assert user.servers[""].model == a_server(state={"pid": 7})
    assert only(a_user()).servers[""].model is None


def test_groups_are_read_leniently() -> None:
    """An invalid field or item loses only itself and is reported."""
    items = [{"name": "a", "users": ["ana"]}, {"name": "b", "users": 7}, None]
    body = json.dumps({"items": items, "_pagination": {"next": {"offset": 200}}}).encode()
    read = decode_groups_page(body)
    assert [(group.name, group.users, group.problems) for group in read.items] == [
        ("a", ("ana",), ()),
        ("b", (), ("users",)),
    ]
    assert (len(read.broken), read.next_offset) == (1, 200)
    assert decode_group(b'{"name": "a", "users": ["ana"]}').users == ("ana",)


def test_page_numbers_are_kept() -> None:
    """Total and next offset are the same, whether decoded strictly or leniently."""
    for item in (a_user(), a_user(created="x")):
        body = json.dumps(
            {"items": [item], "_pagination": {"total": 9, "next": {"offset": 3, "limit": 3}}}
        )
        read = decode_users_page(body.encode())
        assert (read.total, read.next_offset, len(read.items)) == (9, 3, 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*a_server(), "stopped"]), json_values),
    st.dictionaries(st.sampled_from(["created", "last_activity", "pending", "x"]), json_values),
)
def test_no_value_whatever_loses_the_page(server: dict[str, Any], user: dict[str, Any]) -> None:
    """Whatever the fields contain, the user and the next one are decoded."""
    read = decode_users_page(page(a_user(a_server(**server), **user), a_user(name="bob")))
    assert [user.name for user in read.items] == ["ana", "bob"]
    assert set(read.items[0].servers) == {""}
