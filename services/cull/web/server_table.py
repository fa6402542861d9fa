"""Filters, sorts and pages the list of servers. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime

from services.cull.web.api.types import ServerView
from services.cull.web.forms import PAGE_SIZE, ListQuery, Show, Sort


def select(
    servers: Iterable[ServerView], query: ListQuery
) -> tuple[list[ServerView], int, int, int]:
    """The wanted page of servers; how many match; the page's number; how many pages.

    A page beyond the last is the last.
    """
    matching = sorted(
        (server for server in servers if matches(server, query)),
        key=lambda server: (server.user.casefold(), server.user, server.server),
    )
    known = [server for server in matching if _key(server, query.sort) is not None]
    unknown = [server for server in matching if _key(server, query.sort) is None]
    known.sort(key=lambda server: _key(server, query.sort) or "", reverse=query.descending)
    ordered = known + unknown  # what never stops comes last either way
    pages = max(1, -(-len(ordered) // PAGE_SIZE))
    page = min(query.page, pages)
    return ordered[(page - 1) * PAGE_SIZE : page * PAGE_SIZE], len(ordered), page, pages


def matches(server: ServerView, query: ListQuery) -> bool:
    """Whether a server is among those wanted."""
    if query.rule and server.rule != query.rule:
        return False
    if not _SHOWN[query.show](server):
        return False
    wanted = query.text.casefold()
    return not wanted or any(
        wanted in text.casefold() for text in (server.user, server.server, *server.groups)
    )


_SHOWN: dict[Show, Callable[[ServerView], bool]] = {
    Show.ALL: lambda server: True,
    Show.STOPPING: lambda server: server.stops_at is not None,
    Show.KEPT: lambda server: server.stops_at is None,
    Show.HELD: lambda server: server.held_until is not None,
    Show.EXTENDED: lambda server: server.extended_until is not None,
}


def _key(server: ServerView, sort: Sort) -> str | datetime | None:
    value: str | datetime | None = getattr(server, sort.value)
    return value.casefold() if isinstance(value, str) else value
