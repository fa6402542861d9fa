"""Writing polls to the database and reading the state back, on SQLite and PostgreSQL."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from common.errors import StoreConflict
from services.stats.recorder_state import State
from services.stats.records import Changes
from services.stats.store import tables as t
from services.stats.store.daily.forget import forget
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.store import LeadershipLost, Store
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.stats.store.polls import NAMES, START, UTC_DAYS, at, poll, server, store, user

__all__ = ["db_url", "postgres", "postgres_url", "store"]


def holds(directory: Path, word: str) -> bool:
    """Whether any file of the SQLite database contains the word."""
    return any(word.encode() in f.read_bytes() for f in directory.glob("classroom.sqlite*"))


async def count(store: Store) -> dict[str, int]:
    """The number of rows in each table."""
    async with store.reading() as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in t.metadata.sorted_tables
        }


async def test_state_comes_back(store: Store) -> None:
    """After a restart the state is that of the last write, whatever the names."""
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
    state.had_servers = frozenset()  # the only part that is not stored
    assert again == state


async def test_writing_twice_is_writing_once(store: Store) -> None:
    """Writing the same changes again, as after a commit whose response was lost, adds no row."""
    leader = await store.take_leadership()
    state = State()
    changes = poll(state, 0, *(user(name, server(0, started=-60)) for name in NAMES), full=True)
    await store.write(changes, leader=leader)
    once = await count(store)
    await store.write(changes, leader=leader)
    assert await count(store) == once
    assert once["sessions"] == once["users"] == once["memberships"] == len(NAMES)


async def test_backlog_equals_poll_by_poll(store: Store, tmp_path: Path) -> None:
    """Changes merged during an outage of the database lead to the same rows as single writes."""
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
    """If one row is rejected, nothing of the poll is in the database."""
    leader = await store.take_leadership()
    changes = poll(State(), 0, *(user(name) for name in NAMES))
    before = await count(store)
    changes.join(1, 999, START)  # nobody has that id
    with pytest.raises(StoreConflict, match=r"(?i)foreign key"):
        await store.write(changes, leader=leader)
    assert await count(store) == before


async def test_a_recorder_without_the_lead_writes_nothing(store: Store) -> None:
    """Once another recorder has taken the lead, the first one is refused."""
    first = await store.take_leadership()
    await store.take_leadership()
    with pytest.raises(LeadershipLost):
        await store.write(poll(State(), 0, user("ana")), leader=first)
    assert (await count(store))["polls"] == 0


async def test_forgetting_removes_a_person_everywhere(store: Store, tmp_path: Path) -> None:
    """No row and, on SQLite, no byte of a forgotten person remains; other people stay."""
    leader = await store.take_leadership()
    state = await store.load_state()
    for minutes in (0, 5):
        seen = [user(n, server(minutes, started=-1), last=minutes) for n in NAMES]
        await store.write(poll(state, minutes, *seen), leader=leader)
    await roll_up_until(store, START + timedelta(hours=18))
    before = await count(store)
    assert await forget(store, "名前") == 1
    after = await count(store)
    for table in ("users", "sessions", "memberships", "activity", "user_days"):
        assert after[table] == before[table] - 1, table
    assert after["group_days"] == before["group_days"]
    assert await forget(store, "名前") == 0
    assert not holds(tmp_path, "名前")
    assert holds(tmp_path, "sp ace") == store.database.address.is_sqlite


async def test_forgotten_while_recording_stays_forgotten(store: Store) -> None:
    """A recorder that still knows the person must load again, and adds no row about them."""
    leader = await store.take_leadership()
    state = await store.load_state()
    await store.write(poll(state, 0, user("ana"), user("o'hara"), full=True), leader=leader)
    await forget(store, "ana")
    seen = [user(n, server(4), last=4) for n in ("ana", "o'hara")]
    assert await store.write(poll(state, 5, *seen), leader=leader)
    counts = await count(store)
    assert counts["users"] == counts["sessions"] == 1
    state = await store.load_state()
    assert not await store.write(poll(state, 10, *seen), leader=leader)
    assert (await count(store))["users"] == 2  # the Hub still has ana: a newcomer


async def test_an_erased_profile_is_not_written_again(store: Store) -> None:
    """A recorder that still knows the profile of a forgotten user loses no poll because of it."""
    leader = await store.take_leadership()
    state = await store.load_state()
    special = msgspec.structs.replace(server(1), user_options={"profile": "ana's own"})
    await store.write(
        poll(state, 5, user("ana", special), user("o'hara"), full=True), leader=leader
    )
    await forget(store, "ana")
    assert await store.write(poll(state, 10, user("o'hara", special, last=9)), leader=leader)
    async with store.reading() as connection:
        assert list(await connection.scalars(select(t.sessions.c.profile_id))) == [None]
        assert list(await connection.scalars(select(t.profiles.c.name))) == []


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
    """A new SQLite file, and the files next to it, are readable by their owner only."""
    store = await Store.open(f"sqlite:///{tmp_path / 'stats.sqlite'}", UTC_DAYS)
    await store.take_leadership()
    assert {oct(file.stat().st_mode & 0o777) for file in files(tmp_path)} == {"0o600"}
    await store.close()


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())
