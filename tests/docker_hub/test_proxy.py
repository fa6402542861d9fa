"""How docker/'s hub treats a proxy that is replaced."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from jupyterhub.httpclient import JupyterHubHTTPClient

from classroom_hub.proxy import WatchedProxy
from tests.fakes.proxy import FakeProxy


@pytest.fixture
async def fake() -> AsyncIterator[FakeProxy]:
    """The proxy's API; the Hub's client is closed after it."""
    async with FakeProxy() as running:
        yield running
    await JupyterHubHTTPClient.loop_instance().close()


async def _has_the_hubs_route(fake: FakeProxy) -> None:
    async with asyncio.timeout(60):
        while "/" not in fake.routes or "jupyterhub" not in fake.routes["/"]:
            await asyncio.sleep(0.01)


async def test_a_new_proxy_gets_its_routes_by_itself(fake: FakeProxy) -> None:
    """Also one that knows the way to the hub from its own start, as ours does."""
    hub = SimpleNamespace(routespec="/", host="http://hub:8081")
    proxy = WatchedProxy(
        app=SimpleNamespace(hub=hub, users={}, _service_map={}),
        hub=hub,
        api_url=fake.api_url,
        auth_token=fake.token,
        should_start=False,
        look_interval=0.05,
    )
    assert await proxy.get_all_routes() == {}  # as the Hub does when it starts
    try:
        await _has_the_hubs_route(fake)
        fake.routes.clear()
        fake.routes["/"] = {"target": "http://hub:8081"}
        await _has_the_hubs_route(fake)
    finally:
        await proxy.stop_looking()
