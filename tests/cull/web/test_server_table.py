"""Filtering, sorting and paging the table of servers."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.cull.web.api.types import ServerView
from services.cull.web.forms import PAGE_SIZE, ServerFilter, ServerQuery, SortKey
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
        (ServerQuery(), True),
        (ServerQuery(text="AD"), True),
        (ServerQuery(text="course101"), True),
        (ServerQuery(text="bob"), False),
        (ServerQuery(rule="default"), True),
        (ServerQuery(rule="defaul"), False),
        (ServerQuery(show=ServerFilter.WILL_STOP), True),
        (ServerQuery(show=ServerFilter.WILL_NOT_STOP), False),
        (ServerQuery(show=ServerFilter.HELD), False),
        (ServerQuery(show=ServerFilter.EXTENDED), False),
    ],
)
def test_a_query_matches_text_rule_and_filter(query: ServerQuery, *, found: bool) -> None:
    """Text is searched in user, server and groups, ignoring case; the rule must be exact."""
    assert matches(SERVER, query) is found


def test_held_and_extended_servers_can_be_listed_alone() -> None:
    """A filter shows the servers with a hold, with an extension, or without a stop."""
    assert matches(server(held_until=NOW), ServerQuery(show=ServerFilter.HELD))
    assert matches(server(extended_until=NOW), ServerQuery(show=ServerFilter.EXTENDED))
    assert matches(server(stops_at=None), ServerQuery(show=ServerFilter.WILL_NOT_STOP))


@pytest.mark.parametrize("descending", [False, True])
def test_servers_that_never_stop_come_last(*, descending: bool) -> None:
    """Servers without a stop come after the others in both orders."""
    servers = [
        server(user="never", stops_at=None),
        server(user="late", stops_at=NOW + timedelta(hours=2)),
        server(user="soon", stops_at=NOW),
    ]
    found, *_ = select(servers, ServerQuery(descending=descending))
    order = ["late", "soon"] if descending else ["soon", "late"]
    assert [one.user for one in found] == [*order, "never"]


def test_equal_rows_are_sorted_by_name() -> None:
    """Rows with the same key do not depend on the order of the input."""
    servers = [server(user=name, server=lab) for name in ("bob", "Ada") for lab in ("b", "a")]
    found, *_ = select(servers, ServerQuery(sort=SortKey.RULE))
    assert [(one.user, one.server) for one in found] == [
        ("Ada", "a"),
        ("Ada", "b"),
        ("bob", "a"),
        ("bob", "b"),
    ]


def test_a_page_beyond_the_last_is_the_last() -> None:
    """The total counts all matching servers, and pages have a fixed size."""
    servers = [server(user=f"user{number:04}") for number in range(PAGE_SIZE + 1)]
    found, total, page, pages = select(servers, ServerQuery(page=99))
    assert ([one.user for one in found], total, page, pages) == (
        [f"user{PAGE_SIZE:04}"],
        PAGE_SIZE + 1,
        2,
        2,
    )


def test_no_servers_make_one_empty_page() -> None:
    """An empty list is page 1 of 1."""
    assert select([], ServerQuery()) == ([], 0, 1, 1)
