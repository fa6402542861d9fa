"""Reading servers again before they are stopped: singly, or many at a time."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from common.hub.client import HubClient
from common.hub.http import NO_RETRY
from services.cull.passes.reread import (
    FEW_SERVED,
    FRESH_SECONDS,
    MANY_DUE,
    PAGE,
    SMALLEST_PAGE,
    Reread,
)
from tests.cull.culler import HOUR, make_culler
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub

SORTED = "sort=last_activity"


def names(count: int) -> list[str]:
    return [f"user{number:03}" for number in range(count)]


@pytest.fixture
def reread(fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock) -> Reread:
    """On a Hub with many servers, all idle, the first ones for longest."""
    for number, name in enumerate(names(2 * PAGE)):
        fake_hub.add_server(name, idle=5 * HOUR - number)
    hub = HubClient(session, fake_hub.api_url, fake_hub.token, clock=clock, retry=NO_RETRY)
    return Reread(hub, clock)


def asked(fake_hub: FakeHub) -> tuple[int, int]:
    """How many pages and how many single servers were read."""
    return len(fake_hub.requests("GET", SORTED)), len(fake_hub.requests("GET", "/server"))


def sizes(fake_hub: FakeHub) -> list[int]:
    return [int(seen.raw_path.rpartition("=")[2]) for seen in fake_hub.requests("GET", SORTED)]


async def test_few_are_read_singly(fake_hub: FakeHub, reread: Reread) -> None:
    """A pass with little to stop asks for each server by itself."""
    reread.begin(MANY_DUE - 1)
    for name in names(MANY_DUE - 1):
        assert await reread.server(name, "") is not None
    assert asked(fake_hub) == (0, MANY_DUE - 1)


async def test_many_are_read_a_page_at_a_time(fake_hub: FakeHub, reread: Reread) -> None:
    """One request tells of as many servers as a page holds."""
    reread.begin(2 * PAGE)
    for name in names(PAGE):
        server = await reread.server(name, "")
        assert server is not None
        assert server.ready
    assert asked(fake_hub) == (1, 0)


async def test_a_page_is_not_believed_for_long(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """What was asked for longer ago than a moment is asked for anew."""
    reread.begin(2 * PAGE)
    for name in names(FEW_SERVED):
        await reread.server(name, "")
    clock.advance(FRESH_SECONDS + 0.1)
    name = names(FEW_SERVED + 1)[-1]
    fake_hub.users[name].servers[""].last_activity = START
    server = await reread.server(name, "")
    assert server is not None
    assert server.last_activity == START
    assert asked(fake_hub) == (2, 0)


async def test_a_page_that_is_used_up_at_once_is_followed_by_a_larger_one(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """A quick Hub is asked for more at a time, a slow one for no more than it can stop."""
    reread.begin(2 * PAGE)
    for number, name in enumerate(names(2 * PAGE)):
        await reread.server(name, "")
        fake_hub.users[name].servers.clear()
        if number == PAGE + FEW_SERVED:
            clock.advance(FRESH_SECONDS + 0.1)
    assert sizes(fake_hub) == [PAGE, 2 * PAGE, SMALLEST_PAGE, 2 * SMALLEST_PAGE]


async def test_a_page_is_as_large_as_what_is_stopped_while_it_is_fresh(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """The Hub tells of nobody whom it would have to tell of again."""
    reread.begin(2 * PAGE)
    for name in names(PAGE):
        clock.advance(FRESH_SECONDS / 30)
        await reread.server(name, "")
        fake_hub.users[name].servers.clear()
    first, second = sizes(fake_hub)
    assert first == PAGE
    assert 30 <= second <= 36


async def test_who_stands_at_the_head_and_is_not_due_makes_pages_no_smaller(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """As far as the last page was used, the next one must reach, too."""
    reread.begin(2 * PAGE)
    for name in names(PAGE)[-FEW_SERVED:]:
        await reread.server(name, "")
    clock.advance(FRESH_SECONDS + 0.1)
    assert await reread.server(names(PAGE + 1)[-1], "") is not None
    assert sizes(fake_hub) == [PAGE, 55]
    assert asked(fake_hub) == (2, 0)


async def test_who_is_not_on_the_page_is_read_singly(fake_hub: FakeHub, reread: Reread) -> None:
    """Users who have been about since, though their server was not, stand further back."""
    reread.begin(2 * PAGE)
    await reread.server("user000", "")
    assert await reread.server(names(2 * PAGE)[-1], "") is not None
    assert asked(fake_hub) == (1, 1)
    assert await reread.server("user001", "") is not None
    assert asked(fake_hub) == (1, 1)


async def test_pages_that_do_not_help_are_given_up(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """Where others stand at the head of the page, or stops are slow, singly is cheaper."""
    reread.begin(2 * PAGE)
    for name in names(FEW_SERVED + 5):
        assert await reread.server(name, "") is not None
        clock.advance(FRESH_SECONDS + 0.1)
    assert asked(fake_hub) == (1, FEW_SERVED + 4)


async def test_a_page_that_fails_costs_nobody(fake_hub: FakeHub, reread: Reread) -> None:
    """Without a page each server is read singly."""
    fake_hub.fail("status", status=500, path=r"sort=last_activity", times=1)
    reread.begin(2 * PAGE)
    assert await reread.server("user000", "") is not None
    assert await reread.server("user001", "") is not None
    assert asked(fake_hub) == (1, 2)


async def test_the_next_pass_reads_anew(fake_hub: FakeHub, reread: Reread) -> None:
    """Nothing that an earlier pass read counts in this one."""
    reread.begin(2 * PAGE)
    await reread.server("user000", "")
    fake_hub.users["user000"].servers[""].last_activity = START
    reread.begin(2 * PAGE)
    server = await reread.server("user000", "")
    assert server is not None
    assert server.last_activity == START


async def test_a_mass_stop_spares_who_has_come_back(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Active, gone, starting or started anew since the listing: none of them is stopped."""
    for number, name in enumerate(names(60)):
        fake_hub.add_server(name, idle=5 * HOUR - number, age=6 * HOUR)

    def before(request: Any) -> None:
        if request.method != "GET" or "sort" not in request.query:
            return
        fake_hub.users["user003"].servers[""].last_activity = START
        fake_hub.users["user004"].servers.clear()
        fake_hub.users["user005"].servers[""].ready = False
        fake_hub.users["user005"].servers[""].pending = "spawn"
        fake_hub.users["user006"].servers[""].started = START - timedelta(minutes=1)

    fake_hub.before = before
    result = await make_culler(fake_hub, session, clock).run_pass()
    spared = {"user003", "user004", "user005", "user006"}
    assert {user for user, _ in fake_hub.stopped} == set(names(60)) - spared
    assert (result.stopped, result.skipped, result.failures) == (56, 4, 0)
    pages, single = asked(fake_hub)
    assert pages <= 4
    assert single <= 4
