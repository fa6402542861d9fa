"""The course in a database: SQLite and PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from services.stats.store.daily.rows import roll_up_until
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store
from tests.fakes.postgres import Postgres, postgres, postgres_url
from tests.stats.course import at, course

__all__ = ["postgres", "postgres_url"]  # fixtures


async def _record(url: str) -> str:
    """Write the course, with every day that is over rolled up."""
    store = await Store.open(url, ZoneInfo("UTC"))
    await store.write(course(), leader=await store.take_leadership())
    await roll_up_until(store, at(7, 16))
    await store.close()
    return url


@pytest.fixture(scope="session")
def recorded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course in a file. Copy it before use."""
    path = tmp_path_factory.mktemp("course") / "stats.sqlite"
    asyncio.run(_record(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def recorded_url(postgres: Postgres) -> str:
    """The course in a database. Copy it before use."""
    return asyncio.run(_record(postgres.database()))


@pytest.fixture(params=["sqlite", "postgresql"])
def course_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A copy of the course: that takes a tenth of the time of recording it."""
    if request.param == "sqlite":
        path = tmp_path / "stats.sqlite"
        shutil.copy(request.getfixturevalue("recorded_file"), path)
        return f"sqlite:///{path}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.copy(request.getfixturevalue("recorded_url"))


@pytest.fixture
async def store(course_url: str) -> AsyncIterator[Store]:
    """The course, with every day that is over rolled up."""
    store = await Store.open(course_url, ZoneInfo("UTC"))
    yield store
    await store.close()


@pytest.fixture
def queries(store: Store) -> Queries:
    """Queries on the course."""
    return Queries(store)
