"""Writing polls to the database and reading the state back, on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from common.errors import StoreConflict
from common.hub.models import Server, User
from services.stats.record.sampler import PollContext, Sampler
from services.stats.record.state import State
from services.stats.records import Changes
from services.stats.store import tables as t
from services.stats.store.daily_rows import roll_up_until
from services.stats.store.store import LeadershipLost, Store
from tests.fakes.databases import db_url, postgres, postgres_url

__all__ = ["db_url", "postgres", "postgres_url"]

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CREATED = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
UTC_DAYS = ZoneInfo("UTC")
NAMES = ("ana", "o'hara", 'q"uote', "名前", "a;--", "sp ace")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def server(last: float, started: float = 1) -> Server:
    return Server(name="", ready=True, started=at(started), last_activity=at(last))


def user(name: str, *servers: Server, last: float | None = None) -> User:
    return User(
        name=name,
        created=CREATED + timedelta(minutes=NAMES.index(name)),
        groups=("nbgrader-x",),
        last_activity=None if last is None else at(last),
        servers={s.name: s for s in servers},
    )


def poll(state: State, minutes: float, *users: User, full: bool = False) -> Changes:
    """What such a poll changes, applied to the state."""
    sampler = Sampler(state, PollContext(now=at(minutes)))
    sampler.observe(users)
    changes = sampler.finish(full=full)
    state.apply(changes)
    return changes


@pytest.fixture
async def store(db_url: str) -> AsyncIterator[Store]:
    """An open store with its tables."""
    store = await Store.open(db_url, UTC_DAYS)
    yield store
    await store.close()


def holds(directory: Path, word: str) -> bool:
    """Whether any file of an SQLite database there has the word in it."""
    return any(word.encode() in f.read_bytes() for f in directory.glob("classroom.sqlite*"))


async def count(store: Store) -> dict[str, int]:
    """Rows in each table."""
    async with store.reading() as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in t.metadata.sorted_tables
        }


async def test_state_comes_back(store: Store) -> None:
    """What was written is the state after a restart, whatever the names."""
    leader = await store.take_leadership()
    state = State()
    everybody = [user(name) for name in NAMES]
    await store.write(poll(state, 0, *everybody, full=True), leader=leader)
    for minutes in (5, 10):
        seen = [user(n, server(minutes - 1), last=minutes - 1) for n in NAMES[:3]]
        await store.write(poll(state, minutes, *seen), leader=leader)
    await store.write(poll(state, 15, user(NAMES[0], last=12)), leader=leader)
    await store.write(poll(state, 20, *everybody[1:], full=True), leader=leader)
    again = await store.load_state()
    state.had_servers = frozenset()  # the one thing that is only in mind
    assert again == state


async def test_writing_twice_is_writing_once(store: Store) -> None:
    """The same changes again, as after a lost answer to a commit, add no row."""
    leader = await store.take_leadership()
    state = State()
    changes = poll(state, 0, *(user(name, server(0, started=-60)) for name in NAMES), full=True)
    await store.write(changes, leader=leader)
    once = await count(store)
    await store.write(changes, leader=leader)
    assert await count(store) == once
    assert once["sessions"] == once["users"] == once["memberships"] == len(NAMES)


async def test_backlog_equals_poll_by_poll(store: Store, tmp_path: Path) -> None:
    """Changes merged while the database was away make the rows that single writes make."""
    other = await Store.open(f"sqlite:///{tmp_path / 'other.sqlite'}", UTC_DAYS)
    leaders = await store.take_leadership(), await other.take_leadership()
    single, merged, backlog = State(), State(), Changes()
    for minutes in range(0, 100, 5):
        seen = [user("ana", server(minutes // 20 * 20), last=minutes)] if minutes % 40 else []
        await store.write(poll(single, minutes, *seen), leader=leaders[0])
        backlog.update(poll(merged, minutes, *seen))
    await other.write(backlog, leader=leaders[1])
    for table in t.metadata.sorted_tables:
        async with store.reading() as left, other.reading() as right:
            rows = [set(await c.execute(select(table))) for c in (left, right)]
        assert rows[0] == rows[1], table.name
    await other.close()


async def test_failed_write_leaves_nothing(store: Store) -> None:
    """One bad row and the poll is not in the database at all."""
    leader = await store.take_leadership()
    changes = poll(State(), 0, *(user(name) for name in NAMES))
    before = await count(store)
    changes.join(1, 999, START)  # nobody has that id
    with pytest.raises(StoreConflict, match=r"(?i)foreign key"):
        await store.write(changes, leader=leader)
    assert await count(store) == before


async def test_who_lost_the_lead_writes_nothing(store: Store) -> None:
    """After another has taken the lead the first is refused."""
    first = await store.take_leadership()
    await store.take_leadership()
    with pytest.raises(LeadershipLost):
        await store.write(poll(State(), 0, user("ana")), leader=first)
    assert (await count(store))["polls"] == 0


async def test_forgetting_removes_a_person_everywhere(store: Store, tmp_path: Path) -> None:
    """No row and, on SQLite, no byte of a forgotten person stays; the others do."""
    leader = await store.take_leadership()
    state = await store.load_state()
    for minutes in (0, 5):
        seen = [user(n, server(minutes, started=-1), last=minutes) for n in NAMES]
        await store.write(poll(state, minutes, *seen), leader=leader)
    await roll_up_until(store, START + timedelta(hours=18))
    before = await count(store)
    assert await store.forget("名前") == 1
    after = await count(store)
    for table in ("users", "sessions", "memberships", "activity", "user_days"):
        assert after[table] == before[table] - 1, table
    assert after["group_days"] == before["group_days"]
    assert await store.forget("名前") == 0
    assert not holds(tmp_path, "名前")
    assert holds(tmp_path, "sp ace") == store.database.address.is_sqlite


async def test_forgotten_while_recording_stays_forgotten(store: Store) -> None:
    """A recorder that still knows the person is told to load again, and adds no row of them."""
    leader = await store.take_leadership()
    state = await store.load_state()
    await store.write(poll(state, 0, user("ana"), user("o'hara"), full=True), leader=leader)
    await store.forget("ana")
    seen = [user(n, server(4), last=4) for n in ("ana", "o'hara")]
    assert await store.write(poll(state, 5, *seen), leader=leader)
    counts = await count(store)
    assert counts["users"] == counts["sessions"] == 1
    state = await store.load_state()
    assert not await store.write(poll(state, 10, *seen), leader=leader)
    assert (await count(store))["users"] == 2  # the Hub still has ana: a newcomer


async def test_days_are_rolled_up_once_over(store: Store) -> None:
    """A day is rolled up an hour after midnight, and again when something in it changes."""
    leader = await store.take_leadership()
    state = State()
    for minutes in range(0, 60, 5):
        seen = user("ana", server(minutes, started=0), last=minutes)
        changes = poll(state, minutes, seen)
        await store.write(changes, leader=leader)
    midnight = START.replace(hour=0) + timedelta(days=1)
    assert await roll_up_until(store, midnight + timedelta(minutes=59)) == []
    assert await roll_up_until(store, midnight + timedelta(minutes=61)) == [START.date()]
    assert await roll_up_until(store, midnight + timedelta(minutes=62)) == []
    async with store.reading() as connection:
        (row,) = await connection.execute(select(t.user_days))
    assert (row.active_seconds, row.idle_seconds) == (55 * 60, (16 * 60 - 55) * 60)
    seen = user("ana", server(10 * 60, started=0), last=10 * 60)
    late = poll(state, 24 * 60 + 70, seen)
    await store.write(late, leader=leader)
    assert await roll_up_until(store, at(24 * 60 + 70)) == [START.date()]
    async with store.reading() as connection:
        (row,) = await connection.execute(select(t.user_days))
    assert row.active_seconds == 60 * 60


async def test_retention_keeps_the_days(store: Store) -> None:
    """Pruning removes raw records of rolled-up days and nothing else."""
    leader = await store.take_leadership()
    state = State()
    for day in range(6):
        for minutes in (0, 10):
            now = day * 24 * 60 + minutes
            seen = user("ana", server(now, started=day * 24 * 60), last=now)
            await store.write(poll(state, now, seen), leader=leader)
    await roll_up_until(store, at(6 * 24 * 60))
    before = await count(store)
    assert await store.prune(START + timedelta(days=3)) > 0
    after = await count(store)
    assert (before["user_days"], before["activity"]) == (6, 6)
    assert after["user_days"] == 6
    assert after["activity"] == 3
    assert after["sessions"] < before["sessions"]
    assert await store.prune(START + timedelta(days=3)) == 0
    assert await roll_up_until(store, at(6 * 24 * 60)) == []


async def test_file_is_private(tmp_path: Path) -> None:
    """A new SQLite file, and what SQLite puts beside it, can be read by its owner only."""
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", UTC_DAYS)
    await store.take_leadership()
    assert {oct(file.stat().st_mode & 0o777) for file in files(tmp_path)} == {"0o600"}
    await store.close()


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())
