"""Filtering, sorting and paging the list of servers."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.cull.web.api.types import ServerView
from services.cull.web.forms import PAGE_SIZE, ListQuery, Show, Sort
from services.cull.web.server_table import matches, select

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SERVER = ServerView(
    user="ada",
    server="",
    groups=("nbgrader-course101",),
    admin=False,
    state="ready",
    started=NOW,
    last_activity=NOW,
    stops_at=NOW,
    action="keep",
    reason="active",
    why="",
    rule="default",
    rule_does="",
    extended_until=None,
    held_until=None,
    offer=None,
    no_offer="",
)


def server(**changes: object) -> ServerView:
    """The baseline with changes."""
    return msgspec.structs.replace(SERVER, **changes)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (ListQuery(), True),
        (ListQuery(text="AD"), True),
        (ListQuery(text="course101"), True),
        (ListQuery(text="bob"), False),
        (ListQuery(rule="default"), True),
        (ListQuery(rule="defaul"), False),
        (ListQuery(show=Show.STOPPING), True),
        (ListQuery(show=Show.KEPT), False),
        (ListQuery(show=Show.HELD), False),
        (ListQuery(show=Show.EXTENDED), False),
    ],
)
def test_a_query_finds_what_it_says(query: ListQuery, *, found: bool) -> None:
    """Text is sought in user, server and groups without regard to case; the rule is exact."""
    assert matches(SERVER, query) is found


def test_held_and_extended_servers_can_be_listed_alone() -> None:
    """A hold or an extension puts a server on its list."""
    assert matches(server(held_until=NOW), ListQuery(show=Show.HELD))
    assert matches(server(extended_until=NOW), ListQuery(show=Show.EXTENDED))
    assert matches(server(stops_at=None), ListQuery(show=Show.KEPT))


@pytest.mark.parametrize("descending", [False, True])
def test_what_never_stops_comes_last(*, descending: bool) -> None:
    """Servers without a stop stand after the others in either direction."""
    servers = [
        server(user="never", stops_at=None),
        server(user="late", stops_at=NOW + timedelta(hours=2)),
        server(user="soon", stops_at=NOW),
    ]
    found, *_ = select(servers, ListQuery(descending=descending))
    order = ["late", "soon"] if descending else ["soon", "late"]
    assert [one.user for one in found] == [*order, "never"]


def test_equals_stand_in_the_order_of_names() -> None:
    """The order of rows with the same key does not hang on how they came in."""
    servers = [server(user=name, server=lab) for name in ("bob", "Ada") for lab in ("b", "a")]
    found, *_ = select(servers, ListQuery(sort=Sort.RULE))
    assert [(one.user, one.server) for one in found] == [
        ("Ada", "a"),
        ("Ada", "b"),
        ("bob", "a"),
        ("bob", "b"),
    ]


def test_a_page_beyond_the_last_is_the_last() -> None:
    """Counts are of all that match; pages are of a fixed size."""
    servers = [server(user=f"user{number:04}") for number in range(PAGE_SIZE + 1)]
    found, total, page, pages = select(servers, ListQuery(page=99))
    assert ([one.user for one in found], total, page, pages) == (
        [f"user{PAGE_SIZE:04}"],
        PAGE_SIZE + 1,
        2,
        2,
    )


def test_nothing_is_one_empty_page() -> None:
    """An empty list is page 1 of 1."""
    assert select([], ListQuery()) == ([], 0, 1, 1)
