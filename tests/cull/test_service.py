"""The culler as a service: its loops, what makes it not ready, and its end."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from common.errors import ConfigError
from common.web.application import Readiness
from common.web.metrics import Metrics
from services.cull.metrics import CullMetrics
from services.cull.service import Service
from services.cull.store.records import StoreError
from tests.cull.culler import HOUR, FakeStore, make_culler
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub


class LivingStore(FakeStore):
    """A store that can be away, or be of no use at all."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = 0
        self.refused = False

    async def open(self) -> None:
        self.opened += 1
        if self.refused:
            raise ConfigError(["--db-url: a newer schema"])
        await self.ping()

    async def ping(self) -> None:
        if self.away:
            raise StoreError("database postgresql://db/cull: it is away")

    async def close(self) -> None:
        """Nothing to close."""


class Site:
    """A service, and what surrounds it."""

    def __init__(
        self, hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, settle: float = 0.0
    ) -> None:
        self.clock = clock
        self.store = LivingStore()
        self.readiness = Readiness()
        self.stopping = asyncio.Event()
        self.culler = make_culler(hub, session, clock, settle=settle, store=self.store, period=60.0)
        self.service = Service(
            culler=self.culler,
            hub_health=self.culler.hub_health,
            clock=clock,
            period=60.0,
            metrics=CullMetrics(Metrics("cull")),
            readiness=self.readiness,
            store=self.store,
        )

    async def check_role(self) -> None:
        """The role is right."""

    def start(self) -> "asyncio.Task[None]":
        return asyncio.create_task(self.service.run(self.stopping, self.check_role))

    async def until(self, true: Callable[[], bool], step: float = 1.0) -> None:
        """Let time pass until something is so."""
        async with asyncio.timeout(20):
            while not true():
                self.clock.advance(step)
                await asyncio.sleep(0.002)


@pytest.fixture
def site(fake_hub: FakeHub, session: aiohttp.ClientSession) -> Site:
    """A service on a Hub with an idle server; its time passes when the test says so."""
    clock = FakeClock()
    fake_hub.now = clock.now
    fake_hub.add_server("ada", idle=2 * HOUR)
    return Site(fake_hub, session, clock)


async def test_it_makes_passes_and_ends_when_told(fake_hub: FakeHub, site: Site) -> None:
    """Pass after pass, in their time; then nothing of it goes on."""
    before = asyncio.all_tasks()
    running = site.start()
    await site.until(lambda: len(site.culler.history) >= 3)
    assert fake_hub.stopped == [("ada", "")]
    assert site.readiness.reasons() == {}
    site.stopping.set()
    async with asyncio.timeout(10):
        await running
    assert {task for task in asyncio.all_tasks() - before if "cull" in repr(task)} == set()


async def test_it_waits_for_its_database(fake_hub: FakeHub, site: Site) -> None:
    """While the database is away nobody is stopped, and it says why it is not ready."""
    site.store.away = True
    running = site.start()
    await site.until(lambda: site.store.opened >= 3)
    assert "database" in site.readiness.reasons()
    assert fake_hub.stopped == []
    site.store.away = False
    await site.until(lambda: fake_hub.stopped == [("ada", "")])
    await site.until(lambda: site.readiness.reasons() == {})
    site.stopping.set()
    await running


async def test_a_database_of_no_use_ends_it(site: Site) -> None:
    """It is a setting that is wrong: nothing gets better by waiting."""
    site.store.refused = True
    with pytest.raises(ConfigError):
        async with asyncio.timeout(10):
            await site.start()


async def test_a_hub_that_goes_makes_it_not_ready(fake_hub: FakeHub, site: Site) -> None:
    """And ready again when it is back and a pass was made."""
    running = site.start()
    await site.until(lambda: len(site.culler.history) >= 1)
    await fake_hub.stop()
    await site.until(lambda: "hub" in site.readiness.reasons())
    await site.until(lambda: "pass" in site.readiness.reasons())
    await fake_hub.start()
    await site.until(lambda: site.readiness.reasons() == {})
    site.stopping.set()
    await running


async def test_an_outage_between_passes_is_seen(
    fake_hub: FakeHub, session: aiohttp.ClientSession
) -> None:
    """The Hub was away between two passes, and both found it up: it settles all the same."""
    clock = FakeClock()
    fake_hub.now = clock.now
    site = Site(fake_hub, session, clock, settle=360)
    running = site.start()
    await site.until(lambda: bool(site.culler.history) and not site.service.hub_health.settling)
    await fake_hub.stop()
    await site.until(lambda: site.service.hub_health.up is False, step=0.5)
    await fake_hub.start()
    fake_hub.add_server("ada", idle=2 * HOUR)
    passes = len(site.culler.history)
    await site.until(lambda: len(site.culler.history) >= passes + 2)
    assert fake_hub.stopped == []
    await site.until(lambda: fake_hub.stopped == [("ada", "")])
    site.stopping.set()
    await running
