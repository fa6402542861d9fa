"""The client of the proxy's routes API; tests/contract covers the real proxy."""

import aiohttp
import pytest

from common.errors import ProxyBadResponse, ProxyUnavailable
from common.hub.retry import Retry
from common.proxy.client import ProxyClient
from tests.fakes.clock import FakeClock
from tests.fakes.proxy import FakeProxy


@pytest.fixture
def client(fake_proxy: FakeProxy, session: aiohttp.ClientSession, clock: FakeClock) -> ProxyClient:
    return ProxyClient(
        session, fake_proxy.api_url, fake_proxy.token, clock=clock, retry=Retry(attempts=3)
    )


@pytest.mark.parametrize("ending", ["", "/", "/api/routes", "/api/routes/"])
async def test_the_address_is_taken_in_every_usual_form(
    fake_proxy: FakeProxy, session: aiohttp.ClientSession, ending: str
) -> None:
    """The API URL may include the path of the routes or not."""
    client = ProxyClient(session, fake_proxy.api_url + ending, fake_proxy.token)
    assert await client.routes() == {}


@pytest.mark.parametrize("call", ["routes", "route", "add", "remove"])
async def test_every_call_survives_one_failure(
    fake_proxy: FakeProxy, client: ProxyClient, call: str
) -> None:
    """Every request is safe to repeat, so all are retried."""
    fake_proxy.routes["/x"] = {"target": "http://127.0.0.1:1"}
    fake_proxy.failures = [502]
    if call == "routes":
        assert set(await client.routes()) == {"/x"}
    elif call == "route":
        assert await client.route("/x") is not None
    elif call == "add":
        await client.add("/y", "http://127.0.0.1:2")
        assert fake_proxy.routes["/y"]["target"] == "http://127.0.0.1:2"
    else:
        assert await client.remove("/x") is True
    assert fake_proxy.failures == []


async def test_a_proxy_that_stays_broken_is_unavailable(
    fake_proxy: FakeProxy, client: ProxyClient
) -> None:
    """After the last attempt the error is raised with its status."""
    fake_proxy.failures = [500, 502, 503]
    with pytest.raises(ProxyUnavailable) as raised:
        await client.routes()
    assert raised.value.status == 503


@pytest.mark.parametrize("path", ["/x", "x", "/x/", "//x"])
async def test_a_path_has_one_form(fake_proxy: FakeProxy, client: ProxyClient, path: str) -> None:
    """Slashes around a path do not change the route."""
    await client.add(path, "http://127.0.0.1:1")
    assert list(fake_proxy.routes) == ["/x"]
    assert await client.route(path) is not None


async def test_the_data_of_a_route(client: ProxyClient) -> None:
    """A route's data does not contain the fields that have an attribute of their own."""
    await client.add("/x", "http://127.0.0.1:1", {"service": "formgrader", "course": "名前"})
    route = await client.route("/x")
    assert route is not None
    assert route.data == {"service": "formgrader", "course": "名前"}
    assert route.last_activity is not None


@pytest.mark.parametrize(
    "entry", [{}, {"target": 7}, {"target": None, "last_activity": "never"}, {"last_activity": 3}]
)
async def test_a_route_without_a_valid_target(
    fake_proxy: FakeProxy, client: ProxyClient, entry: dict[str, object]
) -> None:
    """A route without a valid target still exists; its target is empty."""
    fake_proxy.routes["/x"] = dict(entry)
    for route in (await client.route("/x"), (await client.routes())["/x"]):
        assert route is not None
        assert (route.target, route.last_activity) == ("", None)


@pytest.mark.parametrize("entry", [[], "x", 7])
async def test_an_unexpected_response(
    fake_proxy: FakeProxy, client: ProxyClient, entry: object
) -> None:
    """A response that is not a route table is an error: another server uses this address."""
    fake_proxy.routes["/x"] = entry  # type: ignore[assignment]  # that is what is tested
    with pytest.raises(ProxyBadResponse):
        await client.route("/x")
    with pytest.raises(ProxyBadResponse):
        await client.routes()
