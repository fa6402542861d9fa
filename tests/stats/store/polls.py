"""Users that a poll sees, the changes of such a poll, and an open store to write them to.

Import the fixture ``store`` into a test file together with those of ``tests.fakes.databases``.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from common.hub.models import Server, User
from services.stats.record.sampler import PollContext, Sampler
from services.stats.recorder_state import State
from services.stats.records import Changes
from services.stats.store.store import Store

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CREATED = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
UTC_DAYS = ZoneInfo("UTC")
NAMES = ("ana", "o'hara", 'q"uote', "名前", "a;--", "sp ace")


def at(minutes: float) -> datetime:
    """A time, in minutes after START."""
    return START + timedelta(minutes=minutes)


def server(last: float, started: float = 1) -> Server:
    """A default server with its last activity and start, in minutes after START."""
    return Server(name="", ready=True, started=at(started), last_activity=at(last))


def user(name: str, *servers: Server, last: float | None = None) -> User:
    """One of NAMES with its servers and last activity, in minutes after START."""
    return User(
        name=name,
        created=CREATED + timedelta(minutes=NAMES.index(name)),
        groups=("nbgrader-x",),
        last_activity=None if last is None else at(last),
        servers={s.name: s for s in servers},
    )


def poll(state: State, minutes: float, *users: User, full: bool = False) -> Changes:
    """The changes of a poll that sees these users; the state has them applied."""
    sampling = Sampler(state, PollContext(now=at(minutes)))
    sampling.observe(users)
    changes = sampling.finish(full=full)
    state.apply(changes)
    return changes


@pytest.fixture
async def store(db_url: str) -> AsyncIterator[Store]:
    """An open store in an empty database."""
    store = await Store.open(db_url, UTC_DAYS)
    yield store
    await store.close()
