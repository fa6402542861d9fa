"""Reads a listing that changes while it is being read.

The Hub's offsets apply to a live query. If an item of an earlier page leaves the listing, all items
behind it move up and the next page would begin too late, so that items are missed. Therefore each
page is requested a few items early: as long as one of the last items of the previous page is found
again, nothing was missed in between. Otherwise the page is marked with ``Page.gap``, and so is the
last page of a listing that has fewer items than its total. If an item is added in front, items
appear twice; they are only returned once.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from msgspec.structs import replace

from common.errors import HubBadResponse, RequestError
from common.hub.models import Group, Page, User

T = TypeVar("T", bound=User | Group)

#: How many items of the previous page are requested again. This costs the Hub about 2 % and
#: tolerates as many items leaving between two pages.
OVERLAP = 5


def start_of_next(offset: int, announced: int) -> int:
    """The offset to request after a page at ``offset`` that announced ``announced`` as the next."""
    return announced - min(OVERLAP, (announced - offset) // 4)


async def pages(
    read: Callable[[int], Awaitable[Page[T]]], *, filtered: bool = False, counted: bool = False
) -> AsyncGenerator[Page[T]]:
    """Every page of a listing, each item once. One page is read ahead of the caller.

    ``read`` is called with the offset. ``filtered`` is whether the Hub removes items from a page
    after cutting it, so that an empty page is no sign of a gap. ``counted`` is whether its total is
    the number of items. Of filtered listings, older Hubs count some items repeatedly.

    :raises HubBadResponse: a page announces a next page that is not ahead; the pages up to and
        including that one are returned first
    """
    # Hashes, not names: of a listing of 200,000 users, only these stay in memory.
    seen: set[int] = set()
    last: frozenset[str] = frozenset()
    offset = announced = broken = 0
    coming: asyncio.Future[Page[T]] | None = asyncio.ensure_future(read(0))
    try:
        while coming is not None:
            page = await coming
            coming = None
            ahead = page.next_offset
            problem = None if ahead is None else _link_problem(ahead, announced, page.total)
            if ahead is not None and problem is None:
                begin = start_of_next(offset, ahead)
                overlaps, offset, announced = begin < ahead, begin, ahead
                coming = asyncio.ensure_future(read(begin))
            fresh = []
            for item in page.items:
                if (key := hash(item.name)) not in seen:
                    seen.add(key)
                    fresh.append(item)
            joins = not last or any(item.name in last for item in page.items)
            gap = not joins and bool(page.items or not filtered)
            broken += len(page.broken)
            if ahead is None and counted:
                gap = gap or len(seen) + broken < (page.total or 0)
            if coming is not None:
                last = frozenset(item.name for item in page.items[-OVERLAP:] if overlaps)
            yield replace(page, items=fresh, gap=gap)
            if problem is not None:
                raise HubBadResponse(f"invalid pagination link: {problem}", method="GET")
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError, RequestError):
                await coming


def _link_problem(ahead: int, announced: int, total: int | None) -> str | None:
    """Why the next page cannot begin at ``ahead``; None if it can."""
    if ahead <= announced:
        return f"the page at offset {announced} is followed by {ahead}"
    if total is not None and ahead >= total:
        return f"the next page begins at {ahead} of only {total} items"
    return None
