"""Re-reading servers before they are stopped, one by one or a page at a time."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from services.cull.passes.reread import (
    FEW_SERVED,
    FRESH_SECONDS,
    MANY_DUE,
    MIN_PAGE,
    PAGE,
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
    """On a Hub with many servers, all idle; the first ones have been idle for longest."""
    for number, name in enumerate(names(2 * PAGE)):
        fake_hub.add_server(name, idle=5 * HOUR - number)
    hub = HubClient(session, fake_hub.api_url, fake_hub.token, clock=clock, retry=NO_RETRY)
    return Reread(hub, clock)


def requests(fake_hub: FakeHub) -> tuple[int, int]:
    """How many pages and how many single servers were requested."""
    return len(fake_hub.requests("GET", SORTED)), len(fake_hub.requests("GET", "/server"))


def sizes(fake_hub: FakeHub) -> list[int]:
    return [int(seen.raw_path.rpartition("=")[2]) for seen in fake_hub.requests("GET", SORTED)]


async def test_few_servers_are_read_one_by_one(fake_hub: FakeHub, reread: Reread) -> None:
    """A pass with few servers to stop requests each of them."""
    reread.begin(MANY_DUE - 1)
    for name in names(MANY_DUE - 1):
        assert await reread.server(name, "") is not None
    assert requests(fake_hub) == (0, MANY_DUE - 1)


async def test_many_servers_are_read_a_page_at_a_time(fake_hub: FakeHub, reread: Reread) -> None:
    """One request returns all servers of a page."""
    reread.begin(2 * PAGE)
    for name in names(PAGE):
        server = await reread.server(name, "")
        assert server is not None
        assert server.ready
    assert requests(fake_hub) == (1, 0)


async def test_a_page_is_used_for_a_short_time_only(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """After a second, servers are requested again."""
    reread.begin(2 * PAGE)
    for name in names(FEW_SERVED):
        await reread.server(name, "")
    clock.advance(FRESH_SECONDS + 0.1)
    name = names(FEW_SERVED + 1)[-1]
    fake_hub.users[name].servers[""].last_activity = START
    server = await reread.server(name, "")
    assert server is not None
    assert server.last_activity == START
    assert requests(fake_hub) == (2, 0)


async def test_a_page_that_is_used_up_quickly_is_followed_by_a_larger_one(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """A fast Hub is asked for more users at a time, a slow one for what it can stop."""
    reread.begin(2 * PAGE)
    for number, name in enumerate(names(2 * PAGE)):
        await reread.server(name, "")
        fake_hub.users[name].servers.clear()
        if number == PAGE + FEW_SERVED:
            clock.advance(FRESH_SECONDS + 0.1)
    assert sizes(fake_hub) == [PAGE, 2 * PAGE, MIN_PAGE, 2 * MIN_PAGE]


async def test_a_page_has_the_users_that_are_stopped_while_it_is_fresh(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """Users that would have to be requested again are not on the page."""
    reread.begin(2 * PAGE)
    for name in names(PAGE):
        clock.advance(FRESH_SECONDS / 30)
        await reread.server(name, "")
        fake_hub.users[name].servers.clear()
    first, second = sizes(fake_hub)
    assert first == PAGE
    assert 30 <= second <= 36


async def test_users_at_the_top_that_are_not_due_do_not_shrink_the_pages(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """The next page must reach as far down as the last one was used."""
    reread.begin(2 * PAGE)
    for name in names(PAGE)[-FEW_SERVED:]:
        await reread.server(name, "")
    clock.advance(FRESH_SECONDS + 0.1)
    assert await reread.server(names(PAGE + 1)[-1], "") is not None
    assert sizes(fake_hub) == [PAGE, 55]
    assert requests(fake_hub) == (2, 0)


async def test_a_user_who_is_not_on_the_page_is_read_alone(
    fake_hub: FakeHub, reread: Reread
) -> None:
    """A user who was active without their server is further down in the order."""
    reread.begin(2 * PAGE)
    await reread.server("user000", "")
    assert await reread.server(names(2 * PAGE)[-1], "") is not None
    assert requests(fake_hub) == (1, 1)
    assert await reread.server("user001", "") is not None
    assert requests(fake_hub) == (1, 1)


async def test_pages_that_save_no_requests_are_given_up(
    fake_hub: FakeHub, reread: Reread, clock: FakeClock
) -> None:
    """If other users are at the top, or stops are slow, reading one by one is cheaper."""
    reread.begin(2 * PAGE)
    for name in names(FEW_SERVED + 5):
        assert await reread.server(name, "") is not None
        clock.advance(FRESH_SECONDS + 0.1)
    assert requests(fake_hub) == (1, FEW_SERVED + 4)


async def test_a_failed_page_affects_no_server(fake_hub: FakeHub, reread: Reread) -> None:
    """Without a page, servers are read one by one."""
    fake_hub.fail("status", status=500, path=r"sort=last_activity", times=1)
    reread.begin(2 * PAGE)
    assert await reread.server("user000", "") is not None
    assert await reread.server("user001", "") is not None
    assert requests(fake_hub) == (1, 2)


async def test_the_next_pass_reads_again(fake_hub: FakeHub, reread: Reread) -> None:
    """A page of an earlier pass is not used."""
    reread.begin(2 * PAGE)
    await reread.server("user000", "")
    fake_hub.users["user000"].servers[""].last_activity = START
    reread.begin(2 * PAGE)
    server = await reread.server("user000", "")
    assert server is not None
    assert server.last_activity == START


async def test_a_mass_stop_skips_servers_that_have_changed(
    fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """Servers that are active, gone, starting or restarted since the listing are kept."""
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
    kept = {"user003", "user004", "user005", "user006"}
    assert {user for user, _ in fake_hub.stopped} == set(names(60)) - kept
    assert (result.stopped, result.skipped, result.failures) == (56, 4, 0)
    pages, single = requests(fake_hub)
    assert pages <= 4
    assert single <= 4
