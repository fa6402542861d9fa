"""The culler as a service: its loops, its readiness and its shutdown."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from common.config.kept import Keeper
from common.errors import ConfigError, StoreError
from common.readiness import Readiness
from common.web.metrics import Metrics
from services.cull.metrics import CullMetrics
from services.cull.policy.model import Flags
from services.cull.policy_source import PolicyFile
from services.cull.service import ABANDON_SECONDS, Service
from tests.cull.culler import HOUR, FakeStore, make_culler
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub


class OpeningStore(FakeStore):
    """A store with a life cycle, which can be unavailable or unusable."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = 0
        self.unusable = False

    async def open(self) -> None:
        self.opened += 1
        if self.unusable:
            raise ConfigError(["--db-url: a newer schema"])
        await self.ping()

    async def ping(self) -> None:
        if self.away:
            raise StoreError("database postgresql://db/cull: it is away")

    async def close(self) -> None:
        """Nothing to close."""


class Site:
    """A service and its environment."""

    def __init__(
        self, hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock, settle: float = 0.0
    ) -> None:
        self.clock = clock
        self.store = OpeningStore()
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
        """The role has all scopes."""

    def start(self) -> "asyncio.Task[None]":
        return asyncio.create_task(self.service.run(self.stopping, self.check_role))

    async def until(self, condition: Callable[[], bool], step: float = 1.0) -> None:
        """Advance the clock until the condition is true."""
        async with asyncio.timeout(20):
            while not condition():
                self.clock.advance(step)
                await asyncio.sleep(0.002)


@pytest.fixture
def site(fake_hub: FakeHub, session: aiohttp.ClientSession) -> Site:
    """A service on a Hub with an idle server; the test advances its clock."""
    clock = FakeClock()
    fake_hub.now = clock.now
    fake_hub.add_server("ada", idle=2 * HOUR)
    return Site(fake_hub, session, clock)


async def test_it_makes_passes_until_it_is_stopped(fake_hub: FakeHub, site: Site) -> None:
    """One pass in each period; after the stop no task is left."""
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
    """While the database is unavailable nothing is stopped, and the service is not ready."""
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


async def test_it_stops_at_once_while_it_waits_for_its_database(site: Site) -> None:
    """The wait for the database does not delay the end."""
    site.store.away = True
    running = site.start()
    await site.until(lambda: site.store.opened >= 1)
    site.stopping.set()
    async with asyncio.timeout(ABANDON_SECONDS / 2):
        await running


async def test_an_unusable_database_ends_it(site: Site) -> None:
    """A wrong setting does not get better by waiting."""
    site.store.unusable = True
    with pytest.raises(ConfigError):
        async with asyncio.timeout(10):
            await site.start()


async def test_an_outage_of_the_hub_makes_it_not_ready(fake_hub: FakeHub, site: Site) -> None:
    """It is ready again once the Hub is back and a pass has been made."""
    running = site.start()
    await site.until(lambda: len(site.culler.history) >= 1)
    await fake_hub.stop()
    await site.until(lambda: "hub" in site.readiness.reasons())
    await site.until(lambda: "pass" in site.readiness.reasons())
    await fake_hub.start()
    await site.until(lambda: site.readiness.reasons() == {})
    site.stopping.set()
    await running


async def test_an_outage_between_passes_is_noticed(
    fake_hub: FakeHub, session: aiohttp.ClientSession
) -> None:
    """The Hub was down between two passes that both found it up: it settles all the same."""
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


async def test_a_changed_policy_file_is_reloaded_before_a_pass(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A new version is logged; an invalid one is refused with its mistakes."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "policy.toml"
    path.write_text('[[rule]]\nname = "first"\naction = "never"\n')
    file = PolicyFile(path, Flags())
    site = Site(fake_hub, session, FakeClock(skip=True))
    service = replace(site.service, policy_file=file)
    await service.make_pass()
    path.write_text('[[rule]]\nname = "second"\naction = "never"\n')
    await service.make_pass()
    assert file.policy.rules[0].name == "second"
    assert "The policy file was reloaded: 2 rules." in caplog.messages
    path.write_text('[[rule]]\nname = "third"\n')
    await service.make_pass()
    assert file.policy.rules[0].name == "second"
    assert any(line.startswith("The policy file is refused") for line in caplog.messages)
    assert any('rule 1 ("third"), action' in line for line in caplog.messages)


async def test_a_kept_policy_is_reported_at_the_start(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once in the log, and in the metric until the file is corrected."""
    path = tmp_path / "policy.toml"
    file = PolicyFile(path, Flags(), '[[rule]]\nname = "kept"\naction = "never"\n')
    site = Site(fake_hub, session, FakeClock(skip=True))
    registry = Metrics("cull")
    kept: list[str] = []

    async def write(_path: Path, text: str) -> None:
        kept.append(text)

    service = replace(
        site.service,
        policy_file=file,
        metrics=CullMetrics(registry),
        keeper=Keeper(file, write),
    )
    running = asyncio.create_task(service.run(site.stopping, site.check_role))
    await site.until(lambda: len(site.culler.history) >= 2)
    good = "jupyterhub_cull_policy_file_good"
    assert caplog.text.count("The policy file is refused; the last valid policy stays") == 1
    assert caplog.text.count("cannot be read") == 1
    assert registry.registry.get_sample_value(good) == 0
    assert kept == []
    path.write_text('[[rule]]\nname = "new"\naction = "never"\n')
    await site.until(lambda: bool(kept))
    assert "new" in kept[0]
    assert registry.registry.get_sample_value(good) == 1
    site.stopping.set()
    await running
