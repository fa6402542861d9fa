"""The table of servers: filtered, sorted and split into pages. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime

from services.cull.web.api.types import ServerView
from services.cull.web.forms import PAGE_SIZE, ServerFilter, ServerQuery, SortKey


def select(
    servers: Iterable[ServerView], query: ServerQuery
) -> tuple[list[ServerView], int, int, int]:
    """One page of the servers that match, their total, the page's number, the number of pages.

    A page number beyond the last page gives the last page.
    """
    matching = sorted(
        (server for server in servers if matches(server, query)),
        key=lambda server: (server.user.casefold(), server.user, server.server),
    )
    known = [server for server in matching if _key(server, query.sort) is not None]
    unknown = [server for server in matching if _key(server, query.sort) is None]
    known.sort(key=lambda server: _key(server, query.sort) or "", reverse=query.descending)
    ordered = known + unknown  # servers that never stop come last in both orders
    pages = max(1, -(-len(ordered) // PAGE_SIZE))
    page = min(query.page, pages)
    return ordered[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], len(ordered), page, pages


def matches(server: ServerView, query: ServerQuery) -> bool:
    """Whether a server matches the query."""
    if query.rule and server.rule != query.rule:
        return False
    if not _SHOWN[query.show](server):
        return False
    wanted = query.text.casefold()
    return not wanted or any(
        wanted in text.casefold() for text in (server.user, server.server, *server.groups)
    )


_SHOWN: dict[ServerFilter, Callable[[ServerView], bool]] = {
    ServerFilter.ALL: lambda server: True,
    ServerFilter.WILL_STOP: lambda server: server.stops_at is not None,
    ServerFilter.WILL_NOT_STOP: lambda server: server.stops_at is None,
    ServerFilter.HELD: lambda server: server.held_until is not None,
    ServerFilter.EXTENDED: lambda server: server.extended_until is not None,
}


def _key(server: ServerView, sort: SortKey) -> str | datetime | None:
    value: str | datetime | None = getattr(server, sort.value)
    return value.casefold() if isinstance(value, str) else value
