"""The dashboard in front of a fake Hub, with a course in its database."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.stats.course import X, at, course
from tests.stats.web.site import NAMES, UTC, StatsSite, add_people, stats_site, write


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database to copy: writing it takes longer than most tests.

    In the course's group there is a member for each of NAMES.
    """
    changes = course(NAMES)
    for number in range(len(NAMES)):
        changes.join(X, 10 + number, at(-9))
    path = tmp_path_factory.mktemp("course") / "stats.sqlite"
    asyncio.run(write(path, changes))
    return path


@pytest.fixture
async def store(written: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """A copy of the course: two weeks with a gap on Thursday, in UTC."""
    path = tmp_path / "stats.sqlite"
    await asyncio.to_thread(shutil.copy, written, path)
    store = await Store.open(f"sqlite:///{path}", UTC)
    yield store
    await store.close()


@pytest.fixture
async def site(store: Store) -> AsyncIterator[StatsSite]:
    """The dashboard and the API, with a user of each role."""
    async with stats_site(Queries(store)) as made:
        yield add_people(made)
