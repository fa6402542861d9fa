"""The dashboard with a fake Prometheus that measured the course's servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from common.hub.connection import client_session
from services.stats.prometheus.client import PrometheusClient, PrometheusSettings
from services.stats.prometheus.measurements import Measurements
from services.stats.prometheus.presets import Expressions
from services.stats.query.resources.prices import Prices
from services.stats.records import Session
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from services.stats.web.resources.report import ResourceSource
from tests.stats.course import ANA, X, at, course
from tests.stats.prometheus.fake import GIB, FakePrometheus, Running
from tests.stats.web.site import NAMES, StatsSite, add_people, stats_site, write

PRICES = Prices(memory_gb_hour=0.5, cpu_hour=2.0, currency="EUR")

MEASURED = (
    # The earlier Ben, before he was deleted: half of his two hours
    Running("jupyter-ben", at(-8, 10), at(-8, 11), memory=GIB),
    # Ana's two hours on Monday, in groups x and y
    Running("jupyter-ana", at(0, 10), at(0, 12), memory=GIB, memory_guarantee=3 * GIB),
    # and her server "two", at the same time
    Running("jupyter-ana--two", at(0, 11), at(0, 12), memory=4 * GIB, memory_guarantee=3 * GIB),
    # Nobody knows them: a stranger, and a name that fits the users "a-2eb" and "a.b"
    Running("jupyter-mallory", at(0, 10), at(0, 11), memory=8 * GIB),
    Running("jupyter-a-2eb", at(0, 10), at(0, 11), memory=16 * GIB),
)
"""Ben's servers on the second Monday were not measured."""


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to copy: writing it takes longer than most tests."""
    changes = course([*NAMES, "a.b", "a-2eb"])
    for number in range(len(NAMES) + 2):
        changes.join(X, 10 + number, at(-9))
    changes.sessions[6] = Session(6, ANA, "two", None, at(0, 11), at(0, 12), at(0, 12))
    path = tmp_path_factory.mktemp("resources") / "stats.sqlite"
    asyncio.run(write(path, changes))
    return path


@pytest.fixture
async def prometheus() -> AsyncIterator[FakePrometheus]:
    """The fake that measured the servers."""
    async with FakePrometheus(MEASURED) as fake:
        yield fake


@asynccontextmanager
async def measured_site(
    queries: Queries, prometheus: FakePrometheus, session: aiohttp.ClientSession
) -> AsyncIterator[StatsSite]:
    """The dashboard and the API with prices, measured by that Prometheus."""
    client = PrometheusClient(session, PrometheusSettings(prometheus.url, timeout_seconds=5))
    source = ResourceSource(queries, Measurements(client, Expressions()), PRICES)
    async with stats_site(queries, resources=source) as made:
        yield made


@pytest.fixture
async def site(store: Store, prometheus: FakePrometheus) -> AsyncIterator[StatsSite]:
    """The dashboard and the API with prices, and a user of each role."""
    async with (
        client_session(prometheus.url) as session,
        measured_site(Queries(store), prometheus, session) as made,
    ):
        yield add_people(made)
