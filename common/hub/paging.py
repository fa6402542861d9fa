"""Reads a listing that changes while it is read.

The Hub's offsets count over a live query. When somebody who was listed already leaves it,
those behind move up, and the next page begins too late: people would be skipped. So each
page is asked for a few items early. As long as one of the items that ended the last page is
found again, nothing lies between the two. Where none is, the page is marked (``Page.gap``).
When somebody comes in front, items come twice, and are given out once.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from msgspec.structs import replace

from common.errors import HubBadResponse, RequestError
from common.hub.models import Group, Page, User

T = TypeVar("T", bound=User | Group)

#: Items that a page repeats of the one before: it costs the Hub some 2 % and heals as many
#: departures between two pages.
OVERLAP = 5


def start_of_next(offset: int, announced: int) -> int:
    """Where to ask for the next page, after one from ``offset`` that announced the next."""
    return announced - min(OVERLAP, (announced - offset) // 4)


async def pages(
    read: Callable[[int], Awaitable[Page[T]]], *, filtered: bool = False
) -> AsyncGenerator[Page[T]]:
    """Every page of a listing, its items given once; one is read ahead of the caller.

    ``read`` gets the offset. ``filtered`` says that the Hub drops items of a page after
    having cut it, so that an empty one means nothing.

    :raises HubBadResponse: the next page does not lie ahead. What was read is given before.
    """
    # Hashes, not names: 200,000 of them are what stays in memory of a listing.
    seen: set[int] = set()
    last: frozenset[str] = frozenset()
    offset = announced = 0
    coming: asyncio.Future[Page[T]] | None = asyncio.ensure_future(read(0))
    try:
        while coming is not None:
            page = await coming
            coming = None
            ahead = page.next_offset
            wrong = None if ahead is None else _wrong(ahead, announced, page.total)
            if ahead is not None and wrong is None:
                begin = start_of_next(offset, ahead)
                overlaps, offset, announced = begin < ahead, begin, ahead
                coming = asyncio.ensure_future(read(begin))
            fresh = []
            for item in page.items:
                if (mark := hash(item.name)) not in seen:
                    seen.add(mark)
                    fresh.append(item)
            joins = not last or any(item.name in last for item in page.items)
            gap = not joins and bool(page.items or not filtered)
            if coming is not None:
                last = frozenset(item.name for item in page.items[-OVERLAP:] if overlaps)
            yield replace(page, items=fresh, gap=gap)
            if wrong is not None:
                raise HubBadResponse(f"a listing that leads nowhere: {wrong}", method="GET")
    finally:
        if coming is not None:
            coming.cancel()
            with suppress(asyncio.CancelledError, RequestError):
                await coming


def _wrong(ahead: int, announced: int, total: int | None) -> str | None:
    """What is wrong with where the next page is to begin."""
    if ahead <= announced:
        return f"after the item {announced}, it goes on at {ahead}"
    if total is not None and ahead >= total:
        return f"of {total} items, the next begins at {ahead}"
    return None
