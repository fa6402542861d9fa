"""The same cases on the fake proxy and on the real configurable-http-proxy."""

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
    """A client of each."""
    if request.param == "real":
        hub: RealHub = request.getfixturevalue("real_hub")
        yield ProxyClient(session, hub.proxy_api_url, hub.proxy_token, retry=NO_RETRY)
        return
    async with FakeProxy() as fake:
        yield ProxyClient(session, fake.api_url, fake.token, retry=NO_RETRY)


async def test_a_route_is_added_read_and_removed(proxy: ProxyClient) -> None:
    """What was added is read back with its target and data, and is gone after removal."""
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
    """The proxy itself overwrites without asking: that is why the keeper looks first."""
    await proxy.add("/contract/two", "http://127.0.0.1:1")
    await proxy.add("/contract/two", "http://127.0.0.1:2")
    route = await proxy.route("/contract/two")
    assert route is not None
    assert route.target == "http://127.0.0.1:2"
    await proxy.remove("/contract/two")


@pytest.mark.parametrize("path", ["/contract/a%20b", "/contract/%E5%90%8D", "/contract/%2541"])
async def test_quoted_paths_are_kept_as_they_are(proxy: ProxyClient, path: str) -> None:
    """A route's path is what stands in a request's address, quoted."""
    await proxy.add(path, "http://127.0.0.1:1")
    assert await proxy.route(path) is not None
    assert path in await proxy.routes()
    assert await proxy.remove(path)


async def test_a_bad_token_is_forbidden(proxy: ProxyClient, session: aiohttp.ClientSession) -> None:
    """A wrong token is an error of its own, without the token in it."""
    stranger = ProxyClient(session, proxy.api_url, "wrong-token", retry=NO_RETRY)
    with pytest.raises(ProxyForbidden) as raised:
        await stranger.routes()
    assert "wrong-token" not in str(raised.value)


async def test_a_route_without_target_is_refused(proxy: ProxyClient) -> None:
    """The proxy says 400 to a body that is no route."""
    with pytest.raises(ProxyRejected):
        await proxy._request("POST", "/api/routes/contract/bad", json={"nothing": 1})


async def test_no_proxy_is_unavailable(session: aiohttp.ClientSession) -> None:
    """A refused connection says that the proxy is away."""
    async with FakeProxy() as fake:
        url = fake.api_url
    with pytest.raises(ProxyUnavailable):
        await ProxyClient(session, url, "x", retry=NO_RETRY).routes()
