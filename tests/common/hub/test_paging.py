"""Reading a listing that changes while it is read."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import HubBadResponse, HubUnavailable
from common.hub.models import Page, User
from common.hub.paging import pages, start_of_next


class Listing:
    """Names in an order, cut into pages as the Hub cuts them."""

    def __init__(self, names: list[str], limit: int) -> None:
        self.names = names
        self.limit = limit
        self.asked: list[int] = []
        self.before: Callable[[int], None] = lambda number: None

    async def read(self, offset: int) -> Page[User]:
        self.before(len(self.asked))
        self.asked.append(offset)
        end = offset + self.limit
        return Page(
            items=[User(name=name) for name in self.names[offset:end]],
            next_offset=end if end < len(self.names) else None,
            total=len(self.names),
        )


def numbered(count: int) -> list[str]:
    return [f"user{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("offset", "announced", "begin"),
    [(0, 200, 195), (195, 395, 390), (0, 50, 45), (0, 20, 15), (0, 8, 6), (0, 3, 3), (0, 1, 1)],
)
def test_pages_overlap_a_little(offset: int, announced: int, begin: int) -> None:
    """By a few items, never by more than a quarter of a page: small pages lead on, too."""
    assert start_of_next(offset, announced) == begin


@given(
    st.integers(0, 120),
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 119), st.booleans()), max_size=12),
)
def test_nobody_comes_twice_and_whoever_stayed_came_or_a_gap_is_told(
    count: int, limit: int, changes: list[tuple[int, int, bool]]
) -> None:
    """Whatever comes in front and leaves between pages."""
    listing = Listing(numbered(count), limit)
    stayed = set(listing.names)

    def change(page: int) -> None:
        for when, number, leaves in changes:
            if when == page and leaves and f"user{number}" in listing.names:
                listing.names.remove(f"user{number}")
                stayed.discard(f"user{number}")
            elif when == page and not leaves:
                listing.names.insert(0, f"new{when}-{len(listing.names)}")

    listing.before = change
    seen: list[str] = []
    gaps = 0

    async def read_all() -> None:
        nonlocal gaps
        async for page in pages(listing.read):
            seen.extend(user.name for user in page.items)
            gaps += page.gap

    asyncio.run(read_all())
    assert len(seen) == len(set(seen))
    assert stayed <= set(seen) or gaps or limit < 4
    if not changes:
        assert set(seen) == set(numbered(count))


async def test_one_page_is_read_ahead_and_no_more() -> None:
    """However slow the caller is: memory and the Hub's work stay bounded."""
    listing = Listing(numbered(100), 10)
    async for _ in pages(listing.read):
        for _ in range(20):
            await asyncio.sleep(0)
        break
    assert len(listing.asked) == 2


async def test_a_page_read_ahead_in_vain_is_dropped_in_silence() -> None:
    """A failure of a page that nobody wants any more is nobody's concern."""
    listing = Listing(numbered(100), 10)
    failed = asyncio.Event()

    async def read(offset: int) -> Page[User]:
        if offset:
            failed.set()
            raise HubUnavailable("away")
        return await listing.read(offset)

    reading = pages(read)
    await anext(reading)
    await failed.wait()
    await reading.aclose()


async def test_a_page_that_fails_fails_the_listing_where_it_stands() -> None:
    """The pages before it have been given."""
    listing = Listing(numbered(30), 10)

    async def read(offset: int) -> Page[User]:
        if len(listing.asked) == 2:
            raise HubUnavailable("away")
        return await listing.read(offset)

    seen: list[str] = []

    async def read_all() -> None:
        async for page in pages(read):
            seen.extend(user.name for user in page.items)

    with pytest.raises(HubUnavailable):
        await read_all()
    assert len(seen) == 18


async def test_items_repeated_within_a_page_are_given_once() -> None:
    """As older Hubs do in filtered listings."""

    async def read(offset: int) -> Page[User]:
        return Page(items=[User(name="ana"), User(name="ana"), User(name="bob")])

    assert [[user.name for user in page.items] async for page in pages(read)] == [["ana", "bob"]]


async def test_empty_pages_of_a_filtered_listing_are_no_gap() -> None:
    """There an empty page only says that nobody on it passed the filter."""
    found = {0: ["ana"], 195: [], 390: ["bob"]}

    async def read(offset: int) -> Page[User]:
        ahead = offset + 200 if offset < 390 else None
        return Page(items=[User(name=name) for name in found[offset]], next_offset=ahead)

    for filtered, gaps in ((True, 0), (False, 1)):
        read_pages = [page async for page in pages(read, filtered=filtered)]
        assert sum(page.gap for page in read_pages) == gaps


async def test_a_listing_that_never_ends_is_given_up() -> None:
    """Whatever the Hub says about its next page, the listing ends."""

    async def read(offset: int) -> Page[User]:
        return Page(items=[User(name="ana")], next_offset=offset + 200, total=500)

    reading = pages(read)
    with pytest.raises(HubBadResponse, match="leads nowhere"):
        async for _ in reading:
            pass
