"""Importing a database of log_jupyterhub_activity."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from common.errors import ConfigError, StoreError
from common.hub.models import User
from common.program import launch
from services.stats.app import StatsApp
from services.stats.commands.import_activity import import_activity
from services.stats.days import Period
from services.stats.intervals import Interval
from services.stats.pseudonyms import Pseudonyms
from services.stats.query.access import Individual, WholeHub
from services.stats.record.sampler import PollContext, Sampler
from services.stats.store.leader_lock import lock_for
from services.stats.store.queries.dashboard import Queries
from services.stats.store.store import Store

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DAY = START.date()
TEN = timedelta(minutes=10)


@pytest.fixture
def activity(tmp_path: Path) -> Path:
    """Ana is active for the first hour, Ben never; some rows are invalid."""
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
    """Consecutive active polls are one stretch of work; every poll counts as observed."""
    store = await open_store(tmp_path)
    text = await import_activity(store, activity, None)
    assert text.splitlines() == [
        "Imported 24 polls of 2 users, one every 600 s.",
        "Skipped 3 rows without a valid time or name.",
    ]
    timeline = await Queries(store).timeline(Individual("ana"), DAY, DAY)
    assert timeline.work == [Interval(START, START + timedelta(hours=1))]
    (summary,) = await Queries(store).summaries(WholeHub(), [Period(DAY, DAY)])
    assert (summary.active_users, summary.active_hours, summary.sessions) == (1, 1.0, None)
    assert summary.idle_hours is summary.server_hours is summary.peak_servers is None
    await store.close()


async def test_import_twice_is_import_once(activity: Path, tmp_path: Path) -> None:
    """Polls that were imported before are skipped."""
    store = await open_store(tmp_path)
    await import_activity(store, activity, None)
    before = await Queries(store).days(WholeHub(), DAY, DAY)
    text = await import_activity(store, activity, None)
    assert "Skipped 24 polls: that time has already been recorded." in text
    assert await Queries(store).days(WholeHub(), DAY, DAY) == before
    await store.close()


async def test_import_before_own_records(activity: Path, tmp_path: Path) -> None:
    """Names match known people, and the service's own records take precedence."""
    store = await open_store(tmp_path)
    state = await store.load_state()
    sampler = Sampler(state, PollContext(now=START + timedelta(hours=2)))
    sampler.observe([User(name="ana", created=START - timedelta(days=9))])
    leader = await store.take_leadership()
    await store.write(sampler.finish(full=True), leader=leader)
    text = await import_activity(store, activity, None)
    assert "Imported 12 polls of 2 users" in text
    assert "Skipped 12 polls" in text
    state = await store.load_state()
    assert sorted(state.people) == ["ana", "ben"]
    (ana,) = [p for p in await Queries(store).people(WholeHub(), DAY, DAY) if p.name == "ana"]
    assert ana.active_seconds == 3600
    await store.close()


async def test_import_under_pseudonyms(activity: Path, tmp_path: Path) -> None:
    """Names from the file are replaced by pseudonyms."""
    store = await open_store(tmp_path)
    pseudonyms = Pseudonyms(b"0123456789abcdef")
    await import_activity(store, activity, pseudonyms)
    state = await store.load_state()
    assert set(state.people) == {pseudonyms.name("ana"), pseudonyms.name("ben")}
    await store.close()


@pytest.mark.parametrize("content", [None, b"no database at all, but longer than that", b""])
async def test_no_such_file(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, empty or of another kind is rejected by name."""
    path = tmp_path / "wrong.sqlite"
    if content is not None:
        await asyncio.to_thread(path.write_bytes, content)
    store = await open_store(tmp_path)
    with pytest.raises(ConfigError, match=r"wrong\.sqlite"):
        await import_activity(store, path, None)
    await store.close()


def test_a_wrong_file_creates_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped file name is reported before the command creates a database."""
    monkeypatch.chdir(tmp_path)
    assert launch.run(StatsApp, ["import-activity", "activty.sqlite"]) == 1
    assert capsys.readouterr().err == "stats: activty.sqlite: no such file\n"
    assert list(tmp_path.iterdir()) == []


async def test_not_beside_a_recorder(activity: Path, tmp_path: Path) -> None:
    """Nothing is imported while the service is recording."""
    store = await open_store(tmp_path)
    lock = lock_for(store.database)
    assert await lock.acquire()
    with pytest.raises(StoreError, match="the service is recording into this database: stop it"):
        await import_activity(store, activity, None)
    await lock.release()
    await store.close()
