"""The routes API, tested with the fake proxy and with the real configurable-http-proxy."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from common.errors import ProxyForbidden, ProxyRejected, ProxyUnavailable
from common.hub.retry import NO_RETRY
from common.proxy.client import ProxyClient
from tests.fakes.proxy import FakeProxy
from tests.integration.conftest import real_hub
from tests.integration.realhub import RealHub

__all__ = ["real_hub"]


@pytest.fixture(params=["fake", "real"])
async def proxy(
    request: pytest.FixtureRequest, session: aiohttp.ClientSession
) -> AsyncIterator[ProxyClient]:
    """A client of the fake proxy, then of the real one."""
    if request.param == "real":
        hub: RealHub = request.getfixturevalue("real_hub")
        yield ProxyClient(session, hub.proxy_api_url, hub.proxy_token, retry=NO_RETRY)
        return
    async with FakeProxy() as fake:
        yield ProxyClient(session, fake.api_url, fake.token, retry=NO_RETRY)


async def test_a_route_is_added_read_and_removed(proxy: ProxyClient) -> None:
    """An added route is read with its target and data, and does not exist after its removal."""
    await proxy.add("/contract/one", "http://127.0.0.1:1", {"owner": "us"})
    route = await proxy.route("/contract/one")
    assert route is not None
    assert (route.target, route.data["owner"]) == ("http://127.0.0.1:1", "us")
    assert route.last_activity is not None
    assert "/contract/one" in await proxy.routes()
    assert await proxy.remove("/contract/one") is True
    assert await proxy.route("/contract/one") is None
    assert await proxy.remove("/contract/one") is False


async def test_adding_again_replaces_the_target(proxy: ProxyClient) -> None:
    """The proxy overwrites existing routes, which is why the route keeper checks first."""
    await proxy.add("/contract/two", "http://127.0.0.1:1")
    await proxy.add("/contract/two", "http://127.0.0.1:2")
    route = await proxy.route("/contract/two")
    assert route is not None
    assert route.target == "http://127.0.0.1:2"
    await proxy.remove("/contract/two")


@pytest.mark.parametrize("path", ["/contract/a%20b", "/contract/%E5%90%8D", "/contract/%2541"])
async def test_quoted_paths_are_kept_as_they_are(proxy: ProxyClient, path: str) -> None:
    """A route's path is quoted as in the URL of a request."""
    await proxy.add(path, "http://127.0.0.1:1")
    assert await proxy.route(path) is not None
    assert path in await proxy.routes()
    assert await proxy.remove(path)


async def test_a_bad_token_is_forbidden(proxy: ProxyClient, session: aiohttp.ClientSession) -> None:
    """A wrong token has its own error, which does not contain the token."""
    stranger = ProxyClient(session, proxy.api_url, "wrong-token", retry=NO_RETRY)
    with pytest.raises(ProxyForbidden) as raised:
        await stranger.routes()
    assert "wrong-token" not in str(raised.value)


async def test_a_route_without_target_is_refused(proxy: ProxyClient) -> None:
    """A body that is not a route gets status 400."""
    with pytest.raises(ProxyRejected):
        await proxy._request("POST", "/api/routes/contract/bad", json={"nothing": 1})


async def test_no_proxy_is_unavailable(session: aiohttp.ClientSession) -> None:
    """A refused connection means that the proxy is unavailable."""
    async with FakeProxy() as fake:
        url = fake.api_url
    with pytest.raises(ProxyUnavailable):
        await ProxyClient(session, url, "x", retry=NO_RETRY).routes()
