"""The course in a database: SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.fakes.postgres import postgres, postgres_url
from tests.stats.course import at, course

__all__ = ["postgres", "postgres_url"]  # fixtures


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """The course, with every day that is over rolled up."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'stats.sqlite'}"
    else:
        url = str(request.getfixturevalue("postgres_url"))
    store = await Store.open(url, ZoneInfo("UTC"))
    await store.write(course(), leader=await store.take_leadership())
    await roll_up_until(store, at(7, 16))
    yield store
    await store.close()


@pytest.fixture
def queries(store: Store) -> Queries:
    """Queries on the course."""
    return Queries(store)
