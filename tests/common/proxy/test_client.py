"""The client of the proxy's routes API; what the real one says too is in tests/contract."""

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
    """With or without the path of the routes."""
    client = ProxyClient(session, fake_proxy.api_url + ending, fake_proxy.token)
    assert await client.routes() == {}


@pytest.mark.parametrize("call", ["routes", "route", "add", "remove"])
async def test_every_call_survives_one_failure(
    fake_proxy: FakeProxy, client: ProxyClient, call: str
) -> None:
    """All of them may safely come twice."""
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
    """After the last attempt, with the status."""
    fake_proxy.failures = [500, 502, 503]
    with pytest.raises(ProxyUnavailable) as raised:
        await client.routes()
    assert raised.value.status == 503


@pytest.mark.parametrize("path", ["/x", "x", "/x/", "//x"])
async def test_a_path_has_one_form(fake_proxy: FakeProxy, client: ProxyClient, path: str) -> None:
    """Slashes around it do not make another route."""
    await client.add(path, "http://127.0.0.1:1")
    assert list(fake_proxy.routes) == ["/x"]
    assert await client.route(path) is not None


async def test_what_is_kept_with_a_route_comes_back(client: ProxyClient) -> None:
    """Without the proxy's own fields, which have their own place."""
    await client.add("/x", "http://127.0.0.1:1", {"service": "formgrader", "course": "名前"})
    route = await client.route("/x")
    assert route is not None
    assert route.data == {"service": "formgrader", "course": "名前"}
    assert route.last_activity is not None


@pytest.mark.parametrize(
    "entry", [{}, {"target": 7}, {"target": None, "last_activity": "never"}, {"last_activity": 3}]
)
async def test_an_odd_route_is_a_route_still(
    fake_proxy: FakeProxy, client: ProxyClient, entry: dict[str, object]
) -> None:
    """Its place is taken; a target that cannot be read is nobody's, and surely not ours."""
    fake_proxy.routes["/x"] = dict(entry)
    for route in (await client.route("/x"), (await client.routes())["/x"]):
        assert route is not None
        assert (route.target, route.last_activity) == ("", None)


@pytest.mark.parametrize("entry", [[], "x", 7])
async def test_what_is_no_route_table_is_a_bad_answer(
    fake_proxy: FakeProxy, client: ProxyClient, entry: object
) -> None:
    """Something else answers at this address."""
    fake_proxy.routes["/x"] = entry  # type: ignore[assignment]  # that is what is tested
    with pytest.raises(ProxyBadResponse):
        await client.route("/x")
    with pytest.raises(ProxyBadResponse):
        await client.routes()
