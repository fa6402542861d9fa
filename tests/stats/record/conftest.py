"""Fixtures for the tests of recording."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from tests.fakes.clock import START, FakeClock
from tests.fakes.hub import FakeHub
from tests.fakes.postgres import postgres, postgres_url
from tests.stats.record.scenarios.polled_hub import PolledHub, at, user
from tests.stats.record.scenarios.recorders import Scenario

__all__ = ["postgres", "postgres_url"]


@pytest.fixture
def hub() -> PolledHub:
    """A hub that has been polled once, with ana and ben, who have no servers."""
    hub = PolledHub()
    hub.poll(0, user("ana", groups=("nbgrader-x",)), user("ben", created=at(-5)), full=True)
    return hub


@pytest.fixture
def db_url(tmp_path: Path) -> str:
    """A new SQLite file."""
    return f"sqlite:///{tmp_path / 'stats.sqlite'}"


@pytest.fixture
async def make_scenario() -> AsyncIterator[Callable[[str], Scenario]]:
    """Makes a scenario on a database: ana is in a course, ben is not."""
    clock = FakeClock()
    scenarios: list[Scenario] = []
    async with FakeHub() as fake, aiohttp.ClientSession() as session:
        fake.now = clock.now
        fake.add_user("ana", groups=["nbgrader-x"])
        fake.add_user("ben", created=START - timedelta(days=3))
        hub = HubClient(session, fake.api_url, fake.token, clock=clock, retry=NO_RETRY)

        def make(db_url: str) -> Scenario:
            scenarios.append(Scenario(fake, clock, hub, db_url))
            return scenarios[-1]

        yield make
        for scenario in scenarios:
            for recorder in scenario.recorders:
                await recorder.lock.release()
                await recorder.store.close()


@pytest.fixture
def scenario(make_scenario: Callable[[str], Scenario], db_url: str) -> Scenario:
    """A scenario on SQLite."""
    return make_scenario(db_url)
