"""Fixtures that most tests share."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from hypothesis import HealthCheck, settings

from common.hub.client import HubClient
from common.hub.connection import client_session
from common.hub.retry import Retry
from services.formgrader_proxy.app import FormgraderProxy
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub
from tests.fakes.proxy import FakeProxy

# The speed of examples depends on the load of the machine, not on the code.
settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("ours"), max_examples=5000)
settings.load_profile("ours")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip tests/docker and tests/uml, which need an engine or a guest, unless they are named."""
    for name in ("docker", "uml"):
        named = any(name in str(argument) for argument in config.invocation_params.args)
        if collection_path == Path(__file__).parent / name and not named:
            return True
    return None


#: Folders whose tests start hubs, browsers and sandboxes. They run last, in this order.
LONG = (
    "attacks/sandbox",
    "integration",
    "browser",
    "integration/formgrader_proxy/grading_day",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests first, so that a mistake shows within minutes."""
    items.sort(key=lambda item: _place(item.path))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the remaining long tests once CLASSROOM_LONG_UNTIL has passed (seconds since 1970)."""
    until = os.environ.get("CLASSROOM_LONG_UNTIL", "")
    if until and _place(item.path) >= 0 and time.time() > float(until):
        pytest.skip(f"NO TIME: the time limit of CLASSROOM_LONG_UNTIL={until} was reached")


def _place(path: Path) -> int:
    """The place of a test's folder in LONG; -1 for others."""
    folder = path.relative_to(Path(__file__).parent).as_posix()
    return max((n for n, name in enumerate(LONG) if folder.startswith(f"{name}/")), default=-1)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the formgrader proxy's tests in the event loop that it uses."""
    if "formgrader_proxy" in item.path.parts or "formgrader" in item.path.name:
        return {"uvloop": FormgraderProxy().new_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
def clock() -> FakeClock:
    """A clock whose sleeps return immediately."""
    return FakeClock(skip=True)


@pytest.fixture
async def fake_hub() -> AsyncIterator[FakeHub]:
    """A running fake Hub without users."""
    async with FakeHub() as hub:
        yield hub


@pytest.fixture
async def fake_proxy() -> AsyncIterator[FakeProxy]:
    """A running fake proxy without routes."""
    async with FakeProxy() as proxy:
        yield proxy


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client session like those of the services."""
    async with client_session("http://127.0.0.1/") as session:
        yield session


@pytest.fixture
def hub(fake_hub: FakeHub, session: aiohttp.ClientSession, clock: FakeClock) -> HubClient:
    """A client of the fake Hub."""
    return HubClient(
        session, fake_hub.api_url, fake_hub.token, clock=clock, retry=Retry(attempts=3)
    )
