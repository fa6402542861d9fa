"""The survey and faulty pages of the listing.

One rule for all: no wrong stop, and no pass lost that a retry would have saved.
"""

import json
from typing import Any

import aiohttp
import pytest

from tests.cull.culler import (
    BUSY,
    IDLE,
    make_culler,
    run_pass,
    stopped,
)
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub

PAGE_FAULTS = [
    pytest.param({"kind": "status", "status": 500}, id="500"),
    pytest.param({"kind": "status", "status": 502}, id="502"),
    pytest.param({"kind": "status", "status": 504}, id="504"),
    pytest.param({"kind": "body", "body": '{"items": [{"name": "x"'}, id="bad-json"),
    pytest.param({"kind": "body", "body": "<html>Service worker</html>"}, id="html"),
    pytest.param({"kind": "body", "body": '{"message": "hello"}'}, id="other-json"),
    pytest.param({"kind": "body", "body": ""}, id="empty"),
    pytest.param({"kind": "cut"}, id="cut"),
    pytest.param({"kind": "hang"}, id="hang"),
    pytest.param({"kind": "reset"}, id="reset"),
    pytest.param(
        {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}}, id="429-retry-after"
    ),
    pytest.param(
        {"kind": "status", "status": 503, "headers": {"Retry-After": "7"}}, id="503-retry-after"
    ),
]


@pytest.mark.parametrize("fault", PAGE_FAULTS)
@pytest.mark.parametrize("page", ["state=ready&offset=4", "state=ready"], ids=["middle", "first"])
async def test_one_faulty_page_is_retried(
    hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: FakeClock,
    fault: dict[str, Any],
    page: str,
) -> None:
    """The page is requested again, and the listing is complete."""
    hub.fail(**fault, path=page)
    culler = make_culler(hub, session, clock, page_size=2, timeout_seconds=0.3)
    result = await run_pass(culler)
    assert stopped(hub) == IDLE
    assert result.good
    if "headers" in fault:
        assert max(clock.slept) >= 7.0


@pytest.mark.parametrize("fault", PAGE_FAULTS)
async def test_a_page_that_stays_faulty_ends_the_listing(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, fault: dict[str, Any]
) -> None:
    """Earlier pages are culled, no wrong server is stopped, and the listing is incomplete."""
    hub.fail(**fault, path="offset=4", times=100)
    culler = make_culler(hub, session, clock, page_size=2, timeout_seconds=0.2)
    result = await run_pass(culler)
    assert stopped(hub) == IDLE[:2]
    assert not result.complete
    assert not result.good
    hub.faults.clear()
    hub.release.set()
    assert (await run_pass(culler)).good
    assert stopped(hub) == IDLE


async def test_a_403_is_reported_and_not_retried(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A retry with the same token would fail, too; the next pass tries again."""
    fault = hub.fail("status", path="/users?", status=403, times=100)
    culler = make_culler(hub, session, clock)
    result = await run_pass(culler)
    assert stopped(hub) == []
    assert fault.times == 99
    assert "token" in result.errors[0]
    hub.faults.clear()
    assert (await run_pass(culler)).good


async def test_one_invalid_user_is_skipped(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """An invalid item does not affect the rest of its page."""

    class Broken:
        name, ready, active = "broken", True, True

        def model(self, **_: object) -> Any:
            return {"no": "name"}

    hub.users["broken"] = Broken()  # type: ignore[assignment]  # on purpose
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == IDLE
    assert result.complete
    assert result.failures == 1


def page(items: list[Any], following: dict[str, Any] | None) -> str:
    return json.dumps({"items": items, "_pagination": {"next": following}})


async def test_a_pagination_loop_ends_the_listing(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A page that points back ends the listing; the users read before are culled."""
    first = [hub.users[name].model() for name in (IDLE[0], BUSY[0])]
    following = {"offset": 0, "limit": 2, "url": hub.api_url + "/users?offset=0"}
    hub.fail("body", path="/users?", times=1000, body=page(first, following))
    result = await run_pass(make_culler(hub, session, clock))
    assert stopped(hub) == IDLE[:1]
    assert not result.complete
    assert len(hub.requests("GET", "/users?")) <= 2


async def test_a_pagination_link_to_another_host_is_not_followed(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The token is sent to the Hub's own address only."""
    async with FakeHub() as foreign:
        first = [hub.users[name].model() for name in (IDLE[0], BUSY[0])]
        following = {"offset": 2, "limit": 2, "url": foreign.api_url + "/users?offset=2"}
        hub.fail("body", path="/users?", times=1, body=page(first, following))
        result = await run_pass(make_culler(hub, session, clock, page_size=2))
        assert foreign.seen == []
    assert result.complete
    assert stopped(hub) == IDLE


async def test_overlapping_pages_stop_each_server_once(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A user added in front shifts the pages, so that some users are listed twice."""

    def before(request: Any) -> None:
        if "offset=2" in request.raw_path and "aaa" not in hub.users:
            others = dict(hub.users)
            hub.users.clear()
            hub.add_server("aaa", idle=0)
            hub.users.update(others)

    hub.before = before
    result = await run_pass(make_culler(hub, session, clock, page_size=2))
    assert stopped(hub) == IDLE
    assert result.good


async def test_users_missed_by_shifting_pages_are_found_by_the_next_pass(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A user deleted in front shifts the pages, so that one user is missed."""

    def before(request: Any) -> None:
        if "offset=2" in request.raw_path:
            hub.users.pop(BUSY[0], None)

    hub.before = before
    culler = make_culler(hub, session, clock, page_size=2)
    await run_pass(culler)
    assert set(stopped(hub)) <= set(IDLE)
    await run_pass(culler)
    assert stopped(hub) == IDLE
