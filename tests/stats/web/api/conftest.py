"""The API in front of a fake Hub, with a course in its database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import course
from tests.stats.web.api.client import ODD_NAMES, add_people
from tests.stats.web.site import StatsSite, stats_site, write


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to copy: writing it takes longer than most tests."""
    path = tmp_path_factory.mktemp("course") / "stats.sqlite"
    asyncio.run(write(path, course(ODD_NAMES)))
    return path


@pytest.fixture
async def site(store: Store) -> AsyncIterator[StatsSite]:
    """The API, with a user of each role."""
    async with stats_site(Queries(store)) as made:
        yield add_people(made)
