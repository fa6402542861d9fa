"""What the culler's pages and API accept, and how they refuse the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cull.store.records import HoldKind
from services.cull.web.forms import (
    BadInput,
    ListQuery,
    Show,
    Sort,
    is_name,
    parse_audit,
    parse_hold,
    parse_id,
    parse_list,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
GOOD = {"kind": "user", "name": "ada", "hours": 2}


def test_a_hold_for_hours_ends_that_much_later() -> None:
    """Hours are counted from now; what is not given is empty."""
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


def test_what_the_script_computed_goes_before_the_forms_own_field() -> None:
    """With scripts the form's time is in the viewer's zone, and its UTC form comes beside it."""
    fields = {
        "kind": "user",
        "name": "ada",
        "until": "2026-03-02T21:00",
        "until_utc": "2026-03-02T18:00:00.000Z",
    }
    assert parse_hold(fields, NOW).until == datetime(2026, 3, 2, 18, tzinfo=UTC)


@pytest.mark.parametrize("name", ["q?x=1", "h#frag", "%41", "名前", "sp ace", " x", "a/b", "'\"<>"])
def test_names_are_taken_as_they_are(name: str) -> None:
    """No sign of a name is changed or refused, spaces at its ends included."""
    wish = parse_hold({"kind": "server", "name": name, "server": name, "hours": "1"}, NOW)
    assert (wish.name, wish.server) == (name, name)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "all"}, "kind: one of server, user, group"),
        ({"kind": None}, "kind: one of"),
        ({"name": ""}, "name: say which"),
        ({"name": 7}, "name: must be text"),
        ({"name": "a" * 256}, "name: at most 255"),
        ({"name": "a\x00b"}, "name: no control characters"),
        ({"name": "\ud800"}, "name: no control characters"),
        ({"server": "lab"}, "server: leave it out when you hold a user"),
        ({"why": "w" * 501}, "why: at most 500"),
        ({"hours": 0}, "hours: a number above 0|until: say either"),
        ({"hours": -1}, "hours: a number above 0"),
        ({"hours": "soon"}, "hours: a number above 0"),
        ({"hours": True}, "hours: a number above 0"),
        ({"hours": float("nan")}, "hours: a number above 0"),
        ({"hours": float("inf")}, "hours: a number above 0"),
        ({"hours": 1e300}, "hours: a number above 0"),
        ({"hours": 24 * 367}, "until: at most 366 days"),
        ({"until": "2026-03-02T18:00Z"}, "until: say either"),
        ({"hours": None}, "until: say either"),
        ({"hours": None, "until": "tomorrow"}, "until: a time such as"),
        ({"hours": None, "until": "2026-03-09"}, "until: a time such as"),
        ({"hours": None, "until": 1772474400}, "until: a time such as"),
        ({"hours": None, "until": "9999-12-31T23:59-23:59"}, "until: a time such as"),
        ({"hours": None, "until": "2026-03-02T12:00Z"}, "until: this time is past"),
        ({"until_time": 1}, "unknown fields: until_time"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], problem: str) -> None:
    """One wrong field gives one problem, which names it and says what to write."""
    with pytest.raises(BadInput, match=problem) as refused:
        parse_hold(GOOD | change, NOW)
    assert len(refused.value.problems) == 1


def test_every_problem_is_told_at_once() -> None:
    """All that is wrong is listed together."""
    with pytest.raises(BadInput) as refused:
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
def test_any_fields_give_a_lawful_hold_or_problems(fields: dict[str, Any]) -> None:
    """Whatever comes in, there is a hold within its bounds or at least one problem."""
    wish = None
    problems: tuple[str, ...] = ()
    try:
        wish = parse_hold(fields, NOW)
    except BadInput as refused:
        problems = refused.problems
    assert bool(problems) is (wish is None)
    if wish is not None:
        assert NOW < wish.until <= NOW + timedelta(days=366)
        assert wish.name
        assert is_name(wish.name)
        assert is_name(wish.server)


def test_an_empty_query_lists_everything_by_the_next_stop() -> None:
    """The first page of all servers, those that stop first in front."""
    assert parse_list({}) == ListQuery("", "", Show.ALL, Sort.STOPS_AT, False, 1)
    assert parse_list({"q": "", "sort": "", "page": "", "show": ""}) == parse_list({})


def test_a_minus_sorts_downwards() -> None:
    """A sign in front of the column turns the order."""
    assert parse_list({"sort": "-user"}) == ListQuery(sort=Sort.USER, descending=True)


def test_a_bad_query_lists_its_problems() -> None:
    """Every unusable value of a query is named."""
    with pytest.raises(BadInput) as refused:
        parse_list({"sort": "--user", "show": "x", "page": "0", "q": "\x01"})
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [
        "q",
        "show",
        "sort",
        "page",
    ]


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "x", "\u0661", "9" * 5000])
def test_ids_are_plain_numbers(text: str) -> None:
    """Anything but a positive number of the database's size is refused."""
    with pytest.raises(BadInput):
        parse_id(text)


def test_audit_lines_are_asked_for_in_bounds() -> None:
    """The number of lines has a default and a limit."""
    assert parse_audit({}) == (100, None)
    assert parse_audit({"limit": "5", "before": "7"}) == (5, 7)
    with pytest.raises(BadInput, match=r"limit: a whole number.*before: "):
        parse_audit({"limit": "1001", "before": "x"})
