"""What forms, JSON bodies and query strings may contain."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cull.store.records import HoldKind
from services.cull.web.forms import (
    InvalidInput,
    ServerFilter,
    ServerQuery,
    SortKey,
    is_name,
    parse_audit_query,
    parse_hold,
    parse_hold_id,
    parse_server_query,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
GOOD = {"kind": "user", "name": "ada", "hours": 2}


def test_a_hold_for_hours_ends_that_much_later() -> None:
    """Hours are counted from now, and fields that are missing are empty."""
    wish = parse_hold(GOOD, NOW)
    assert (wish.kind, wish.name, wish.server, wish.why) == (HoldKind.USER, "ada", "", "")
    assert wish.until == NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    "written",
    ["2026-03-02T18:00Z", "2026-03-02T18:00", "2026-03-02T19:30+01:30", "2026-03-02T18:00:00.000Z"],
)
def test_a_hold_until_a_time_is_read_as_utc(written: str) -> None:
    """A time with an offset is that moment; one without is UTC."""
    wish = parse_hold({"kind": "group", "name": "exam", "until": written}, NOW)
    assert wish.until == datetime(2026, 3, 2, 18, tzinfo=UTC)
    assert wish.until.utcoffset() == timedelta(0)


def test_the_utc_time_of_the_script_overrides_the_form_field() -> None:
    """With scripts, the field is in the viewer's time zone and until_utc is the same in UTC."""
    fields = {
        "kind": "user",
        "name": "ada",
        "until": "2026-03-02T21:00",
        "until_utc": "2026-03-02T18:00:00.000Z",
    }
    assert parse_hold(fields, NOW).until == datetime(2026, 3, 2, 18, tzinfo=UTC)


@pytest.mark.parametrize("name", ["q?x=1", "h#frag", "%41", "名前", "sp ace", " x", "a/b", "'\"<>"])
def test_names_are_not_changed(name: str) -> None:
    """No character of a name is changed or refused, not even spaces at its ends."""
    wish = parse_hold({"kind": "server", "name": name, "server": name, "hours": "1"}, NOW)
    assert (wish.name, wish.server) == (name, name)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "all"}, "kind: must be one of server, user, group"),
        ({"kind": None}, "kind: must be one of"),
        ({"name": ""}, "name: enter the name"),
        ({"name": 7}, "name: must be text"),
        ({"name": "a" * 256}, "name: must have at most 255"),
        ({"name": "a\x00b"}, "name: must not contain control characters"),
        ({"name": "\ud800"}, "name: must not contain control characters"),
        ({"server": "lab"}, "server: leave this empty to hold a user"),
        ({"why": "w" * 501}, "why: must have at most 500"),
        ({"hours": 0}, "hours: must be a number above 0|until: give either"),
        ({"hours": -1}, "hours: must be a number above 0"),
        ({"hours": "soon"}, "hours: must be a number above 0"),
        ({"hours": True}, "hours: must be a number above 0"),
        ({"hours": float("nan")}, "hours: must be a number above 0"),
        ({"hours": float("inf")}, "hours: must be a number above 0"),
        ({"hours": 1e300}, "hours: must be a number above 0"),
        ({"hours": 24 * 367}, "until: must be at most 366 days"),
        ({"until": "2026-03-02T18:00Z"}, "until: give either"),
        ({"hours": None}, "until: give either"),
        ({"hours": None, "until": "tomorrow"}, "until: must be a time such as"),
        ({"hours": None, "until": "2026-03-09"}, "until: must be a time such as"),
        ({"hours": None, "until": 1772474400}, "until: must be a time such as"),
        ({"hours": None, "until": "9999-12-31T23:59-23:59"}, "until: must be a time such as"),
        ({"hours": None, "until": "2026-03-02T12:00Z"}, "until: this time is in the past"),
        ({"until_time": 1}, "unknown fields: until_time"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], problem: str) -> None:
    """One invalid field gives one problem, which names it and says what to write."""
    with pytest.raises(InvalidInput, match=problem) as refused:
        parse_hold(GOOD | change, NOW)
    assert len(refused.value.problems) == 1


def test_all_problems_are_reported_together() -> None:
    """The error lists every invalid field."""
    with pytest.raises(InvalidInput) as refused:
        parse_hold({"kind": "x", "name": "", "why": 1}, NOW)
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "kind",
        "name",
        "why",
        "until",
    ]


@given(
    st.dictionaries(
        st.sampled_from(["kind", "name", "server", "until", "until_utc", "hours", "why", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()),
    )
)
def test_any_fields_give_a_valid_hold_or_problems(fields: dict[str, Any]) -> None:
    """Whatever the input, the result is a hold within bounds or at least one problem."""
    wish = None
    problems: tuple[str, ...] = ()
    try:
        wish = parse_hold(fields, NOW)
    except InvalidInput as refused:
        problems = refused.problems
    assert bool(problems) is (wish is None)
    if wish is not None:
        assert NOW < wish.until <= NOW + timedelta(days=366)
        assert wish.name
        assert is_name(wish.name)
        assert is_name(wish.server)


def test_an_empty_query_lists_everything_by_the_next_stop() -> None:
    """The first page of all servers, the first to stop at the top."""
    assert parse_server_query({}) == ServerQuery(
        "", "", ServerFilter.ALL, SortKey.STOPS_AT, False, 1
    )
    assert parse_server_query({"q": "", "sort": "", "page": "", "show": ""}) == parse_server_query(
        {}
    )


def test_a_leading_minus_sorts_in_descending_order() -> None:
    """The sign before the column reverses the order."""
    assert parse_server_query({"sort": "-user"}) == ServerQuery(sort=SortKey.USER, descending=True)


def test_a_bad_query_lists_its_problems() -> None:
    """Every invalid value of a query is named."""
    with pytest.raises(InvalidInput) as refused:
        parse_server_query({"sort": "--user", "show": "x", "page": "0", "q": "\x01"})
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "q",
        "show",
        "sort",
        "page",
    ]


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "x", "\u0661", "9" * 5000])
def test_ids_are_plain_numbers(text: str) -> None:
    """Only positive numbers that fit into the database are accepted."""
    with pytest.raises(InvalidInput):
        parse_hold_id(text)


def test_the_number_of_audit_events_is_limited() -> None:
    """It has a default and a maximum."""
    assert parse_audit_query({}) == (100, None)
    assert parse_audit_query({"limit": "5", "before": "7"}) == (5, 7)
    with pytest.raises(InvalidInput, match=r"limit: must be a whole number.*before: "):
        parse_audit_query({"limit": "1001", "before": "x"})
