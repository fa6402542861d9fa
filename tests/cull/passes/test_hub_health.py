"""Is the Hub there, and since when: looks at the fake Hub."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from common.hub.client import HubClient
from common.hub.http import NO_RETRY
from services.cull.passes.hub_health import SLOW_SECONDS, HubHealth
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub


@pytest.fixture
def hub_health(fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock) -> HubHealth:
    """A hub_health that settles for six minutes."""
    probe = HubClient(
        session,
        fake_hub.api_url,
        fake_hub.token,
        clock=clock,
        retry=NO_RETRY,
        timeout_seconds=0.5,
    )
    return HubHealth(probe, 360, clock)


async def test_a_look_costs_the_hub_next_to_nothing(
    fake_hub: FakeHub, hub_health: HubHealth
) -> None:
    """Its metrics are read only where they can tell something new."""
    for _ in range(5):
        assert await hub_health.check()
    asked = [seen.raw_path for seen in fake_hub.seen]
    assert asked == ["/hub/api/health", "/hub/metrics", *["/hub/api/health"] * 4]


async def test_a_hub_without_health_is_asked_for_its_version(
    fake_hub: FakeHub, hub_health: HubHealth
) -> None:
    """Then that is the sign of life, and brings the Hub's time."""
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
async def test_down_is_who_fails_twice(
    fake_hub: FakeHub, hub_health: HubHealth, fault: dict[str, Any]
) -> None:
    """Once is no outage, twice is."""
    await hub_health.check()
    before = hub_health.settle
    fake_hub.fail(**fault)
    assert await hub_health.check()
    assert hub_health.settle == before
    fake_hub.fail(**fault, times=2)
    assert not await hub_health.check()
    assert hub_health.up is False
    assert hub_health.settling


async def test_a_hub_that_answers_with_an_error_is_there(
    fake_hub: FakeHub, hub_health: HubHealth
) -> None:
    """It takes reports, or says so itself to those who send them."""
    fake_hub.fail("status", path="/health", status=500, times=1)
    assert await hub_health.check()


async def test_a_hub_that_hung_took_no_reports(
    fake_hub: FakeHub, hub_health: HubHealth, clock: FakeClock
) -> None:
    """An answer that took longer than servers wait is an outage that has just ended."""
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


async def test_an_outage_found_by_another_is_not_forgotten(
    fake_hub: FakeHub, hub_health: HubHealth, clock: FakeClock
) -> None:
    """While one look waits for the metrics, a pass finds the Hub down."""
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
