"""Keeping a route, with a fake proxy and a fake clock."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from common.hub.retry import NO_RETRY
from common.program.shutdown import FINISH_SECONDS
from common.proxy import route_keeper
from common.proxy.client import ProxyClient
from common.proxy.route_keeper import RouteEvent, RouteKeeper
from tests.fakes.clock import FakeClock
from tests.fakes.proxy import FakeProxy

PATH, TARGET = "/services/formgrader", "http://127.0.0.1:9999"


@pytest.fixture
def client(fake_proxy: FakeProxy, session: aiohttp.ClientSession) -> ProxyClient:
    return ProxyClient(session, fake_proxy.api_url, fake_proxy.token, retry=NO_RETRY)


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds, at most five real seconds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_the_route_exists_while_the_service_runs(
    fake_proxy: FakeProxy, client: ProxyClient
) -> None:
    """The route is added at entry and removed at exit; other routes are kept."""
    fake_proxy.routes["/other"] = {"target": "http://127.0.0.1:1"}
    async with RouteKeeper(client, PATH, TARGET, clock=FakeClock()) as keeper:
        assert fake_proxy.routes[PATH]["target"] == TARGET
        assert keeper.active
    assert list(fake_proxy.routes) == ["/other"]


async def test_a_route_lost_in_a_restart_is_restored(
    fake_proxy: FakeProxy, client: ProxyClient
) -> None:
    """After a restart with an empty route table, the next check restores the route."""
    clock = FakeClock()
    events: list[RouteEvent] = []
    async with RouteKeeper(
        client, PATH, TARGET, clock=clock, on_event=lambda event, error: events.append(event)
    ):
        await fake_proxy.restart()
        await until(lambda: clock.sleepers)
        clock.advance(2)
        await until(lambda: PATH in fake_proxy.routes)
        await until(lambda: events[-1] is RouteEvent.RESTORED)
    assert events == [RouteEvent.ADDED, RouteEvent.RESTORED, RouteEvent.REMOVED]


async def test_waiting_for_the_proxy(fake_proxy: FakeProxy, client: ProxyClient) -> None:
    """A missing proxy is reported once, and the route is added when the proxy is up."""
    await fake_proxy.stop()
    clock = FakeClock()
    events: list[RouteEvent] = []
    async with RouteKeeper(
        client, PATH, TARGET, clock=clock, on_event=lambda event, error: events.append(event)
    ):
        for _ in range(3):
            await until(lambda: clock.sleepers)
            clock.advance(2)
        assert events == [RouteEvent.PROXY_AWAY]
        await fake_proxy.start()
        await until(lambda: clock.sleepers)
        clock.advance(2)
        await until(lambda: PATH in fake_proxy.routes)


async def test_a_route_to_another_target_is_never_overwritten(
    fake_proxy: FakeProxy, client: ProxyClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Another target's route is kept at entry, later and at exit, and reported once."""
    foreign = {"target": "http://127.0.0.1:1"}
    fake_proxy.routes[PATH] = dict(foreign)
    clock = FakeClock()
    with caplog.at_level(logging.WARNING):
        async with RouteKeeper(client, PATH, TARGET, clock=clock) as keeper:
            for _ in range(3):
                await until(lambda: clock.sleepers)
                clock.advance(2)
            assert not keeper.active
    assert fake_proxy.routes == {PATH: foreign}
    assert fake_proxy.posts == 0
    assert caplog.text.count("leads to http") == 1


async def test_a_path_that_becomes_free(fake_proxy: FakeProxy, client: ProxyClient) -> None:
    """When the route to another target is removed, the route is added."""
    fake_proxy.routes[PATH] = {"target": "http://127.0.0.1:1"}
    clock = FakeClock()
    async with RouteKeeper(client, PATH, TARGET, clock=clock):
        del fake_proxy.routes[PATH]
        await until(lambda: clock.sleepers)
        clock.advance(2)
        await until(lambda: PATH in fake_proxy.routes)


async def check_again(clock: FakeClock) -> None:
    """Let the keeper check once more, and wait until it has."""
    await until(lambda: clock.sleepers)
    looks = len(clock.slept)
    clock.advance(2)
    await until(lambda: len(clock.slept) > looks)


MARK = {"owner": "formgrader"}


@pytest.mark.parametrize("scheme", ["http", "http+unix"])
async def test_a_stale_route_is_taken_over(
    fake_proxy: FakeProxy,
    client: ProxyClient,
    unused_tcp_port: int,
    tmp_path: Path,
    scheme: str,
) -> None:
    """After a kill -9 the old route has the mark, and its target refuses connections."""
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
        assert keeper.active
        assert fake_proxy.routes[PATH]["target"] == TARGET
    assert events == [RouteEvent.TAKEN_OVER, RouteEvent.REMOVED]


@pytest.mark.parametrize("mark", [MARK, {"owner": "somebody"}, {}])
async def test_a_route_to_a_listening_target_is_kept(
    fake_proxy: FakeProxy, client: ProxyClient, mark: dict[str, str]
) -> None:
    """Even with the mark: two processes that run by mistake do not fight over the route."""
    foreign = {"target": fake_proxy.api_url, **mark}
    fake_proxy.routes[PATH] = dict(foreign)
    clock = FakeClock()
    async with RouteKeeper(client, PATH, TARGET, data=MARK, clock=clock) as keeper:
        await check_again(clock)
        assert not keeper.active
    assert fake_proxy.routes[PATH] == foreign


@pytest.mark.parametrize(
    "target", ["", "http://", "http://127.0.0.1:99999", "nonsense", "http://[::1", "http://\0/"]
)
async def test_a_route_to_an_invalid_target_is_kept(
    fake_proxy: FakeProxy, client: ProxyClient, target: str
) -> None:
    """If the target cannot be tested, the route is not taken over."""
    fake_proxy.routes[PATH] = {"target": target, **MARK}
    async with RouteKeeper(client, PATH, TARGET, data=MARK, clock=FakeClock()) as keeper:
        assert not keeper.active
    assert fake_proxy.routes[PATH]["target"] == target


async def test_each_other_target_is_reported_once(
    fake_proxy: FakeProxy, client: ProxyClient, caplog: pytest.LogCaptureFixture
) -> None:
    """If a third process takes the route, the log reports it, too."""
    clock = FakeClock()
    fake_proxy.routes[PATH] = {"target": "http://127.0.0.1:1"}
    async with RouteKeeper(client, PATH, TARGET, clock=clock):
        await check_again(clock)
        fake_proxy.routes[PATH] = {"target": "http://127.0.0.1:2"}
        await check_again(clock)
        await check_again(clock)
    assert caplog.text.count("leads to http") == 2


async def test_a_failing_callback_does_not_end_the_checks(
    fake_proxy: FakeProxy, client: ProxyClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The route is still restored if the event callback raises."""
    clock = FakeClock()

    def fail(event: RouteEvent, error: object) -> None:
        if event is RouteEvent.RESTORED:
            raise RuntimeError("the callback failed")

    async with RouteKeeper(client, PATH, TARGET, clock=clock, on_event=fail):
        for _ in range(2):
            fake_proxy.routes.clear()
            await check_again(clock)
            assert PATH in fake_proxy.routes
    assert "the callback failed" in caplog.text


async def test_a_hanging_proxy_does_not_delay_the_exit(
    fake_proxy: FakeProxy,
    client: ProxyClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A proxy that no longer responds is abandoned after REMOVE_SECONDS, with a warning."""
    monkeypatch.setattr(route_keeper, "REMOVE_SECONDS", 0.05)
    keeper = RouteKeeper(client, PATH, TARGET, clock=FakeClock())
    async with asyncio.timeout(3):  # the client itself would wait for 5 s
        async with keeper:
            fake_proxy.answering.clear()
    fake_proxy.answering.set()
    assert f"the route {PATH} was not removed: no response" in caplog.text
    assert keeper.active


def test_the_exit_leaves_time_for_everything_else() -> None:
    """The wait for the proxy ends before the service is cancelled."""
    assert route_keeper.REMOVE_SECONDS < FINISH_SECONDS


@pytest.mark.parametrize("down_seconds", [0.0, 1.5, 3.0, 60.0])
async def test_a_route_is_back_within_five_seconds(
    fake_proxy: FakeProxy, client: ProxyClient, down_seconds: float
) -> None:
    """However long the proxy was down, the default interval restores the route within 5 s."""
    clock = FakeClock()

    async def pass_time(seconds: float) -> None:
        for _ in range(round(seconds / 0.5)):
            await until(lambda: clock.sleepers)
            clock.advance(0.5)
            await until(lambda: clock.sleepers)

    async with RouteKeeper(client, PATH, TARGET, clock=clock) as keeper:
        await until(lambda: clock.sleepers)
        await fake_proxy.stop()
        fake_proxy.routes.clear()
        await pass_time(down_seconds)
        await fake_proxy.start()
        await pass_time(5)
        assert fake_proxy.routes[PATH]["target"] == TARGET
        assert keeper.active
