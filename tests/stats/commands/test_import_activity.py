"""Taking over a file of log_jupyterhub_activity."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from common.errors import ConfigError
from common.hub.models import User
from services.stats.commands.run import import_activity
from services.stats.days import Period
from services.stats.intervals import Interval
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import Individual, WholeHub
from services.stats.record.leader import lock_for
from services.stats.record.sampler import Look, Sampling
from services.stats.store.queries.dashboard import Queries
from services.stats.store.writer import Store, StoreError

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = START.date()
TEN = timedelta(minutes=10)


@pytest.fixture
def activity(tmp_path: Path) -> Path:
    """Ana is active for the first hour, Ben never; some rows are garbage."""
    rows: list[tuple[object, object, object]] = []
    for number in range(24):
        time = f"{(START + number * TEN).replace(tzinfo=None)}.012345"
        rows += [(time, "ana", 1 <= number <= 6), (time, "ben", False)]
    rows += [(None, "eva", True), ("yesterday", "eva", True), (rows[0][0], None, True)]
    path = tmp_path / "activity.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE activity (date timestamp, user text, active bool)")
    connection.executemany("INSERT INTO activity VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return path


async def open_store(tmp_path: Path) -> Store:
    return await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", ZoneInfo("UTC"))


async def test_import(activity: Path, tmp_path: Path) -> None:
    """Active polls in a row are one stretch of work; every poll counts as observed."""
    store = await open_store(tmp_path)
    told = await import_activity(store, activity, None)
    assert told.splitlines() == [
        "24 polls of 2 users, one every 600 s",
        "3 rows left out: no usable time or name",
    ]
    timeline = await Queries(store).timeline(Individual("ana"), DAY, DAY)
    assert timeline.work == [Interval(START, START + timedelta(hours=1))]
    (summary,) = await Queries(store).summaries(WholeHub(), [Period(DAY, DAY)])
    assert (summary.active_users, summary.active_hours, summary.sessions) == (1, 1.0, 0)
    await store.close()


async def test_import_twice_is_import_once(activity: Path, tmp_path: Path) -> None:
    """What is there already is left out."""
    store = await open_store(tmp_path)
    await import_activity(store, activity, None)
    before = await Queries(store).days(WholeHub(), DAY, DAY)
    told = await import_activity(store, activity, None)
    assert "24 polls left out: that time is recorded already" in told
    assert await Queries(store).days(WholeHub(), DAY, DAY) == before
    await store.close()


async def test_import_before_own_records(activity: Path, tmp_path: Path) -> None:
    """People of the same name are the same, and what we have recorded ourselves holds."""
    store = await open_store(tmp_path)
    state = await store.load_state()
    sampling = Sampling(state, Look(now=START + timedelta(hours=2)))
    sampling.see([User(name="ana", created=START - timedelta(days=9))])
    leader = await store.take_lead()
    await store.write(sampling.finish(full=True), leader=leader)
    told = await import_activity(store, activity, None)
    assert "12 polls of 2 users" in told
    assert "12 polls left out" in told
    state = await store.load_state()
    assert sorted(state.people) == ["ana", "ben"]
    (ana,) = [p for p in await Queries(store).people(WholeHub(), DAY, DAY) if p.name == "ana"]
    assert ana.active_seconds == 3600
    await store.close()


async def test_import_under_pseudonyms(activity: Path, tmp_path: Path) -> None:
    """Names from the file are hashed like any other."""
    store = await open_store(tmp_path)
    pseudonyms = Pseudonyms(b"0123456789abcdef")
    await import_activity(store, activity, pseudonyms)
    state = await store.load_state()
    assert set(state.people) == {pseudonyms.name("ana"), pseudonyms.name("ben")}
    await store.close()


@pytest.mark.parametrize("content", [None, b"no database at all, but longer than that", b""])
async def test_no_such_file(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, empty or something else is refused with its name."""
    path = tmp_path / "wrong.sqlite"
    if content is not None:
        await asyncio.to_thread(path.write_bytes, content)
    store = await open_store(tmp_path)
    with pytest.raises(ConfigError, match=r"wrong\.sqlite"):
        await import_activity(store, path, None)
    await store.close()


async def test_not_beside_a_recorder(activity: Path, tmp_path: Path) -> None:
    """While a recorder is at work nothing is imported."""
    store = await open_store(tmp_path)
    lock = lock_for(store.engine)
    assert await lock.acquire()
    with pytest.raises(StoreError, match="stop the service"):
        await import_activity(store, activity, None)
    await lock.release()
    await store.close()
