"""Reading a listing that changes while it is being read."""

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
    """Pages overlap by a few items, but by at most a quarter, so that small pages advance."""
    assert start_of_next(offset, announced) == begin


@given(
    st.integers(0, 120),
    st.integers(1, 30),
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 119), st.booleans()), max_size=12),
)
def test_each_item_once_and_gaps_are_marked(
    count: int, limit: int, changes: list[tuple[int, int, bool]]
) -> None:
    """Whatever joins and leaves between pages: no item twice, and none missed without a gap."""
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


async def test_only_one_page_is_read_ahead() -> None:
    """A slow caller neither fills memory nor keeps the Hub busy."""
    listing = Listing(numbered(100), 10)
    async for _ in pages(listing.read):
        for _ in range(20):
            await asyncio.sleep(0)
        break
    assert len(listing.asked) == 2


async def test_a_failed_page_that_is_not_used() -> None:
    """If the caller stops early, the failure of the page read ahead is ignored."""
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


async def test_a_failed_page_ends_the_listing() -> None:
    """The pages before the failed one are returned first."""
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


@pytest.mark.parametrize(("total", "gap"), [(3, True), (2, False), (1, False), (None, False)])
async def test_a_listing_shorter_than_its_total(total: int | None, gap: bool) -> None:
    """Items that the Hub counts and does not send are a gap, even on a single page."""

    async def read(offset: int) -> Page[User]:
        return Page(items=[User(name="ana"), User(name="bob")], total=total)

    assert [page.gap async for page in pages(read, counted=True)] == [gap]
    assert [page.gap async for page in pages(read)] == [False]


async def test_an_item_that_cannot_be_read_is_not_missing() -> None:
    """It counts towards the total, and is reported in its own way."""

    async def read(offset: int) -> Page[User]:
        return Page(items=[User(name="ana")], total=2, broken=("name: missing",))

    assert [page.gap async for page in pages(read, counted=True)] == [False]


async def test_an_item_repeated_within_a_page() -> None:
    """Older Hubs repeat items in filtered listings; each is returned once."""

    async def read(offset: int) -> Page[User]:
        return Page(items=[User(name="ana"), User(name="ana"), User(name="bob")])

    assert [[user.name for user in page.items] async for page in pages(read)] == [["ana", "bob"]]


async def test_an_empty_page_of_a_filtered_listing() -> None:
    """In a filtered listing, an empty page is not a gap."""
    found = {0: ["ana"], 195: [], 390: ["bob"]}

    async def read(offset: int) -> Page[User]:
        ahead = offset + 200 if offset < 390 else None
        return Page(items=[User(name=name) for name in found[offset]], next_offset=ahead)

    for filtered, gaps in ((True, 0), (False, 1)):
        read_pages = [page async for page in pages(read, filtered=filtered)]
        assert sum(page.gap for page in read_pages) == gaps


@pytest.mark.parametrize(
    ("links", "offsets", "reason"),
    [
        pytest.param([0], [0], "the page at offset 0 is followed by 0", id="first page again"),
        pytest.param([-8], [0], "the page at offset 0 is followed by -8", id="negative"),
        pytest.param([8, 8], [0, 6], "the page at offset 8 is followed by 8", id="same page again"),
        pytest.param([8, 4], [0, 6], "the page at offset 8 is followed by 4", id="back"),
        pytest.param(
            [8, 30], [0, 6], "the next page begins at 30 of only 30 items", id="at the end"
        ),
        pytest.param(
            [8, 900], [0, 6], "the next page begins at 900 of only 30 items", id="past the end"
        ),
    ],
)
async def test_an_invalid_link_ends_the_listing(
    links: list[int], offsets: list[int], reason: str
) -> None:
    """The pages up to the invalid link are returned; then an error names it, without a request."""
    requested: list[int] = []

    async def read(offset: int) -> Page[User]:
        items = [User(name=f"user{number}") for number in range(offset, offset + 8)]
        requested.append(offset)
        return Page(items=items, next_offset=links[len(requested) - 1], total=30)

    names: list[str] = []

    async def read_all() -> None:
        async for page in pages(read):
            names.extend(user.name for user in page.items)

    with pytest.raises(HubBadResponse) as raised:
        await read_all()
    assert str(raised.value) == f"invalid pagination link: {reason}"
    assert requested == offsets
    assert names == [f"user{number}" for number in range(offsets[-1] + 8)]


async def test_a_link_is_followed_if_the_total_is_unknown() -> None:
    """Without a total, only links that do not lead ahead are invalid."""

    async def read(offset: int) -> Page[User]:
        ahead = offset + 8 if offset < 24 else None
        return Page(items=[User(name=f"user{offset}")], next_offset=ahead)

    names = [user.name async for page in pages(read) for user in page.items]
    assert names == ["user0", "user6", "user12", "user18", "user24"]


async def test_an_endless_listing_ends() -> None:
    """A Hub that always announces another page is read no further than its total."""
    requested: list[int] = []

    async def read(offset: int) -> Page[User]:
        requested.append(offset)
        return Page(items=[User(name="ana")], next_offset=offset + 200, total=500)

    with pytest.raises(HubBadResponse, match="invalid pagination link"):
        async for _ in pages(read):
            pass
    assert requested == [0, 195, 390]
