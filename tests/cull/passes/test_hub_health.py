"""The health of the Hub, and what its outages mean for passes."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from services.cull.passes.hub_health import SLOW_SECONDS, HubHealth
from services.cull.policy.model import Flags
from tests.cull.culler import HOUR, IDLE, make_culler, run_pass, stopped
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub


@pytest.fixture
def hub_health(fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock) -> HubHealth:
    """Settles for six minutes."""
    probe = HubClient(
        session,
        fake_hub.api_url,
        fake_hub.token,
        clock=clock,
        retry=NO_RETRY,
        timeout_seconds=0.5,
    )
    return HubHealth(probe, 360, clock)


async def test_a_check_is_one_small_request(fake_hub: FakeHub, hub_health: HubHealth) -> None:
    """The metrics are read only when they can show something new."""
    for _ in range(5):
        assert await hub_health.check()
    asked = [seen.raw_path for seen in fake_hub.seen]
    assert asked == ["/hub/api/health", "/hub/metrics", *["/hub/api/health"] * 4]


async def test_a_hub_without_health_endpoint_is_asked_for_its_version(
    fake_hub: FakeHub, hub_health: HubHealth
) -> None:
    """The version request also shows that the Hub is up, and brings the Hub's time."""
    fake_hub.fail("status", path="/health", status=404, times=10)
    assert await hub_health.check()
    assert hub_health.settle.counted_from == START


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset"},
        {"kind": "hang"},
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 504},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
async def test_two_failed_requests_mean_an_outage(
    fake_hub: FakeHub, hub_health: HubHealth, fault: dict[str, Any]
) -> None:
    """One failed request is not an outage; two in a row are."""
    await hub_health.check()
    before = hub_health.settle
    fake_hub.fail(**fault)
    assert await hub_health.check()
    assert hub_health.settle == before
    fake_hub.fail(**fault, times=2)
    assert not await hub_health.check()
    assert hub_health.up is False
    assert hub_health.settling


async def test_a_hub_that_responds_with_an_error_is_up(
    fake_hub: FakeHub, hub_health: HubHealth
) -> None:
    """It receives activity reports, or tells the servers that send them to retry."""
    fake_hub.fail("status", path="/health", status=500, times=1)
    assert await hub_health.check()


async def test_a_hub_that_hung_settles_again(
    fake_hub: FakeHub, hub_health: HubHealth, clock: FakeClock
) -> None:
    """A response that took longer than servers wait is an outage that has just ended."""
    fake_hub.now = clock.now
    fake_hub.metrics_text = f"process_start_time_seconds {START.timestamp() - 9000}\n"
    await hub_health.check()
    assert not hub_health.settling

    def before(request: Any) -> None:
        clock.advance(SLOW_SECONDS + 1)

    fake_hub.before = before
    assert await hub_health.check()
    fake_hub.before = lambda request: None
    assert hub_health.settling


async def test_an_outage_found_during_a_check_is_not_lost(
    fake_hub: FakeHub, hub_health: HubHealth, clock: FakeClock
) -> None:
    """While a check waits for the metrics, a pass finds the Hub down."""
    fake_hub.now = clock.now
    fake_hub.metrics_text = f"process_start_time_seconds {START.timestamp() - 9000}\n"
    await hub_health.check()
    clock.advance(1000)

    def before(request: Any) -> None:
        if request.path == "/hub/metrics":
            hub_health.mark_down("found by another")

    fake_hub.before = before
    async with asyncio.timeout(10):
        assert await hub_health.check(read_start=True)
    assert hub_health.settling
    assert hub_health.trust_idle_from is not None
    assert hub_health.trust_idle_from >= START + timedelta(seconds=1000 + 360 - 2)


async def test_a_hub_that_is_down_at_the_start_settles_first(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The pass reports the error, and when the Hub is back, idleness is not trusted at once."""
    api_url = hub.api_url
    culler = make_culler(hub, session, clock, settle=360)
    await hub.stop()
    result = await run_pass(culler)
    assert not result.complete
    assert "connect" in result.errors[0]
    await hub.start()
    assert hub.api_url == api_url
    hub.now = clock.now
    result = await run_pass(culler)
    assert result.complete
    assert stopped(hub) == []  # it has just come up, so it settles
    clock.advance(360)
    await run_pass(culler)
    assert stopped(hub) == IDLE


async def test_a_restarted_hub_settles_from_its_start(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A restart that no check has seen shows in the Hub's metrics."""
    hub.now = clock.now

    def started(at: datetime) -> str:
        return f"process_start_time_seconds {at.timestamp()}\n"

    hub.metrics_text = started(START - timedelta(days=3))
    culler = make_culler(hub, session, clock, settle=360)
    await run_pass(culler)
    assert stopped(hub) == IDLE
    hub.add_server("late", idle=2 * HOUR)
    hub.metrics_text = started(clock.now() - timedelta(seconds=100))
    await run_pass(culler)
    assert ("late", "") not in hub.stopped
    clock.advance(260)
    await run_pass(culler)
    assert ("late", "") in hub.stopped


async def test_without_metrics_a_service_settles_once_after_its_start(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """When the Hub started is unknown, so it may have been a moment ago."""
    hub.now = clock.now
    culler = make_culler(hub, session, clock, settle=360)
    await run_pass(culler)
    assert stopped(hub) == []
    clock.advance(359)
    await run_pass(culler)
    assert stopped(hub) == []
    clock.advance(1)
    await run_pass(culler)
    assert stopped(hub) == IDLE


async def test_the_maximum_age_applies_while_settling(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """The age of a server does not depend on activity reports."""
    hub.add_server("old", idle=0, age=9 * HOUR)
    flags = Flags(timeout=HOUR, max_age=8 * HOUR)
    await run_pass(make_culler(hub, session, clock, flags=flags, settle=360))
    assert stopped(hub) == ["old"]


async def test_one_broken_connection_is_not_an_outage(
    hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock
) -> None:
    """A failed check is repeated before the Hub is considered down."""
    hub.metrics_text = f"process_start_time_seconds {START.timestamp() - 9000}\n"
    hub.fail("reset", path="/hub/api/health", times=1)
    await run_pass(make_culler(hub, session, clock, settle=360))
    assert stopped(hub) == IDLE
