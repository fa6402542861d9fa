"""How the hub in docker/ restores the routes of a replaced proxy."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient

from classroom_hub.proxy import WatchedProxy
from tests.fakes.proxy import FakeProxy


@pytest.fixture
async def fake() -> AsyncIterator[FakeProxy]:
    """A fake proxy API; the Hub's HTTP client is closed afterwards."""
    async with FakeProxy() as running:
        yield running
    await JupyterHubHTTPClient.loop_instance().close()


async def _has_the_hubs_route(fake: FakeProxy) -> None:
    async with asyncio.timeout(60):
        while "/" not in fake.routes or "jupyterhub" not in fake.routes["/"]:
            await asyncio.sleep(0.01)


async def test_a_new_proxy_gets_its_routes_automatically(fake: FakeProxy) -> None:
    """This includes a proxy that starts with a default route to the Hub."""
    hub = SimpleNamespace(routespec="/", host="http://hub:8081")
    proxy = WatchedProxy(
        app=SimpleNamespace(hub=hub, users={}, _service_map={}),
        hub=hub,
        api_url=fake.api_url,
        auth_token=fake.token,
        should_start=False,
        check_interval=0.05,
    )
    assert await proxy.get_all_routes() == {}  # as when the Hub starts
    try:
        await _has_the_hubs_route(fake)
        fake.routes.clear()
        fake.routes["/"] = {"target": "http://hub:8081"}
        await _has_the_hubs_route(fake)
    finally:
        await proxy.stop_checks()
