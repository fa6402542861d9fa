"""Keeping a route alive, on a fake proxy and a clock of our own."""

import asyncio
import logging
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from common.hub.retry import NO_RETRY
from common.proxy.client import ProxyClient
from common.proxy.route_keeper import RouteEvent, RouteKeeper
from tests.fakes.clock import FakeClock
from tests.fakes.proxy import FakeProxy

PATH, TARGET = "/services/formgrader", "http://127.0.0.1:9999"


@pytest.fixture
def client(fake_proxy: FakeProxy, session: aiohttp.ClientSession) -> ProxyClient:
    return ProxyClient(session, fake_proxy.api_url, fake_proxy.token, retry=NO_RETRY)


async def happened(condition: object) -> None:
    """Wait, five real seconds at most, until the condition holds."""
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_the_route_is_there_while_we_are_and_goes_with_us(
    fake_proxy: FakeProxy, client: ProxyClient
) -> None:
    """The own route is added at entry and removed at exit; another's stays."""
    fake_proxy.routes["/other"] = {"target": "http://127.0.0.1:1"}
    async with RouteKeeper(client, PATH, TARGET, clock=FakeClock()) as keeper:
        assert fake_proxy.routes[PATH]["target"] == TARGET
        assert keeper.there
    assert list(fake_proxy.routes) == ["/other"]


async def test_a_route_lost_with_the_proxy_is_put_back(
    fake_proxy: FakeProxy, client: ProxyClient
) -> None:
    """After a restart with an empty table the route is back at the next look."""
    clock = FakeClock()
    events: list[RouteEvent] = []
    async with RouteKeeper(
        client, PATH, TARGET, clock=clock, on_event=lambda event, error: events.append(event)
    ):
        await fake_proxy.restart()
        await happened(lambda: clock.sleepers)
        clock.advance(2)
        await happened(lambda: PATH in fake_proxy.routes)
        await happened(lambda: events[-1] is RouteEvent.RESTORED)
    assert events == [RouteEvent.ADDED, RouteEvent.RESTORED, RouteEvent.REMOVED]


async def test_a_proxy_that_is_away_is_waited_for(
    fake_proxy: FakeProxy, client: ProxyClient
) -> None:
    """No proxy at start is no error: it is told once, and the route comes when it can."""
    await fake_proxy.stop()
    clock = FakeClock()
    events: list[RouteEvent] = []
    async with RouteKeeper(
        client, PATH, TARGET, clock=clock, on_event=lambda event, error: events.append(event)
    ):
        for _ in range(3):
            await happened(lambda: clock.sleepers)
            clock.advance(2)
        assert events == [RouteEvent.PROXY_AWAY]
        await fake_proxy.start()
        await happened(lambda: clock.sleepers)
        clock.advance(2)
        await happened(lambda: PATH in fake_proxy.routes)


async def test_a_foreign_route_is_reported_and_never_overwritten(
    fake_proxy: FakeProxy, client: ProxyClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else's route stays, at entry, later and at exit, and is told of once."""
    foreign = {"target": "http://127.0.0.1:1"}
    fake_proxy.routes[PATH] = dict(foreign)
    clock = FakeClock()
    with caplog.at_level(logging.WARNING):
        async with RouteKeeper(client, PATH, TARGET, clock=clock) as keeper:
            for _ in range(3):
                await happened(lambda: clock.sleepers)
                clock.advance(2)
            assert not keeper.there
    assert fake_proxy.routes == {PATH: foreign}
    assert fake_proxy.posts == 0
    assert caplog.text.count("not to us") == 1


async def test_a_place_that_becomes_free_is_taken(
    fake_proxy: FakeProxy, client: ProxyClient
) -> None:
    """When the foreign route goes, ours comes."""
    fake_proxy.routes[PATH] = {"target": "http://127.0.0.1:1"}
    clock = FakeClock()
    async with RouteKeeper(client, PATH, TARGET, clock=clock):
        del fake_proxy.routes[PATH]
        await happened(lambda: clock.sleepers)
        clock.advance(2)
        await happened(lambda: PATH in fake_proxy.routes)


async def look_again(clock: FakeClock) -> None:
    """Let the keeper look once more, and wait until it has."""
    await happened(lambda: clock.sleepers)
    looks = len(clock.slept)
    clock.advance(2)
    await happened(lambda: len(clock.slept) > looks)


MARK = {"owner": "formgrader"}


@pytest.mark.parametrize("scheme", ["http", "http+unix"])
async def test_a_route_left_behind_by_a_former_run_is_taken_over(
    fake_proxy: FakeProxy,
    client: ProxyClient,
    unused_tcp_port: int,
    tmp_path: Path,
    scheme: str,
) -> None:
    """After a kill -9 the old route has our mark, and nobody listens where it leads."""
    place = f"127.0.0.1:{unused_tcp_port}" if scheme == "http" else quote(f"{tmp_path}/x.sock", "")
    fake_proxy.routes[PATH] = {"target": f"{scheme}://{place}", **MARK}
    events: list[RouteEvent] = []
    async with RouteKeeper(
        client,
        PATH,
        TARGET,
        data=MARK,
        clock=FakeClock(),
        on_event=lambda event, error: events.append(event),
    ) as keeper:
        assert keeper.there
        assert fake_proxy.routes[PATH]["target"] == TARGET
    assert events == [RouteEvent.TAKEN_OVER, RouteEvent.REMOVED]


@pytest.mark.parametrize("mark", [MARK, {"owner": "somebody"}, {}])
async def test_a_route_to_somebody_who_listens_is_theirs(
    fake_proxy: FakeProxy, client: ProxyClient, mark: dict[str, str]
) -> None:
    """Even with our mark: two that run by mistake do not fight over it."""
    foreign = {"target": fake_proxy.api_url, **mark}
    fake_proxy.routes[PATH] = dict(foreign)
    clock = FakeClock()
    async with RouteKeeper(client, PATH, TARGET, data=MARK, clock=clock) as keeper:
        await look_again(clock)
        assert not keeper.there
    assert fake_proxy.routes[PATH] == foreign


@pytest.mark.parametrize(
    "target", ["", "http://", "http://127.0.0.1:99999", "nonsense", "http://[::1", "http://\0/"]
)
async def test_a_target_that_cannot_be_tried_is_somebody_elses(
    fake_proxy: FakeProxy, client: ProxyClient, target: str
) -> None:
    """In doubt a route is not taken."""
    fake_proxy.routes[PATH] = {"target": target, **MARK}
    async with RouteKeeper(client, PATH, TARGET, data=MARK, clock=FakeClock()) as keeper:
        assert not keeper.there
    assert fake_proxy.routes[PATH]["target"] == target


async def test_each_foreign_target_is_told_once(
    fake_proxy: FakeProxy, client: ProxyClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Who reads the log learns of the next one who took the place, too."""
    clock = FakeClock()
    fake_proxy.routes[PATH] = {"target": "http://127.0.0.1:1"}
    async with RouteKeeper(client, PATH, TARGET, clock=clock):
        await look_again(clock)
        fake_proxy.routes[PATH] = {"target": "http://127.0.0.1:2"}
        await look_again(clock)
        await look_again(clock)
    assert caplog.text.count("not to us") == 2


async def test_a_failing_observer_does_not_end_the_keeping(
    fake_proxy: FakeProxy, client: ProxyClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The route is looked after, whatever is made of the news of it."""
    clock = FakeClock()

    def observe(event: RouteEvent, error: object) -> None:
        if event is RouteEvent.RESTORED:
            raise RuntimeError("the observer failed")

    async with RouteKeeper(client, PATH, TARGET, clock=clock, on_event=observe):
        for _ in range(2):
            fake_proxy.routes.clear()
            await look_again(clock)
            assert PATH in fake_proxy.routes
    assert "the observer failed" in caplog.text


async def test_a_hanging_proxy_does_not_hold_up_the_exit(
    fake_proxy: FakeProxy, client: ProxyClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that no longer answers is left to itself after a few seconds."""
    monkeypatch.setattr("common.proxy.route_keeper.REMOVE_SECONDS", 0.05)
    async with RouteKeeper(client, PATH, TARGET, clock=FakeClock()):
        fake_proxy.answering.clear()
    fake_proxy.answering.set()
