"""Keeping a route in the real configurable-http-proxy, next to the real Hub."""

import asyncio
import time

import aiohttp
import pytest

from common.proxy.client import ProxyClient
from common.proxy.route_keeper import RouteEvent, RouteKeeper
from tests.integration.conftest import MakeHub
from tests.integration.realhub import RealHub

PATH, TARGET = "/services/kept", "http://127.0.0.1:9"


@pytest.fixture
def hub(make_hub: MakeHub) -> RealHub:
    """A hub whose proxy the test may restart."""
    return make_hub()


async def seconds_until(client: ProxyClient, target: str | None) -> float:
    """Seconds until the route leads to this target. :raises TimeoutError: after 10 s"""
    started = time.monotonic()
    async with asyncio.timeout(10):
        while True:
            route = await client.route(PATH)
            if (route.target if route else None) == target:
                return time.monotonic() - started
            await asyncio.sleep(0.02)


async def test_a_route_survives_a_proxy_restart_and_the_hubs_checks(
    hub: RealHub, session: aiohttp.ClientSession
) -> None:
    """The route is back within 5 s, is kept by the Hub's route check, and is removed at exit."""
    client = ProxyClient(session, hub.proxy_api_url, hub.proxy_token)
    events: list[RouteEvent] = []
    async with RouteKeeper(
        client, PATH, TARGET, on_event=lambda event, error: events.append(event)
    ):
        await hub.api("POST", "/proxy")
        route = await client.route(PATH)
        assert route is not None
        assert route.target == TARGET

        await asyncio.to_thread(hub.stop_proxy)
        await asyncio.to_thread(hub.start_proxy)
        assert await seconds_until(client, TARGET) < 5
    assert await client.route(PATH) is None
    assert events[0] is RouteEvent.ADDED
    assert events[-2:] == [RouteEvent.RESTORED, RouteEvent.REMOVED]


async def test_a_route_to_another_target_is_kept(
    real_hub: RealHub, session: aiohttp.ClientSession
) -> None:
    """It is neither overwritten at entry nor removed at exit."""
    client = ProxyClient(session, real_hub.proxy_api_url, real_hub.proxy_token)
    await client.add(PATH, "http://127.0.0.1:1")
    async with RouteKeeper(client, PATH, TARGET) as keeper:
        assert not keeper.active
    route = await client.route(PATH)
    assert route is not None
    assert route.target == "http://127.0.0.1:1"
    await client.remove(PATH)
