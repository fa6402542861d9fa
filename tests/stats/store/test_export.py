"""The rows of an export, on SQLite and PostgreSQL."""

from datetime import timedelta

import msgspec
import pytest

from services.stats.intervals import Interval
from services.stats.recorder_state import State
from services.stats.store import export
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.export import ExportTable, read_rows
from services.stats.store.store import Store
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.stats.store.polls import START, at, poll, server, store, user

__all__ = ["db_url", "postgres", "postgres_url", "store"]

DAY = Interval(START.replace(hour=0), START.replace(hour=0) + timedelta(days=1))


@pytest.fixture
async def recorded(store: Store) -> Store:
    """Ana works for ten minutes on a server that still runs; the day is rolled up."""
    leader = await store.take_leadership()
    state = State()
    await store.write(poll(state, 0, user("ana"), full=True), leader=leader)
    for minutes in (5, 10):
        chosen = msgspec.structs.replace(server(minutes), user_options={"image": "base:1"})
        seen = user("ana", chosen, last=minutes)
        await store.write(poll(state, minutes, seen), leader=leader)
    await roll_up_until(store, START + timedelta(hours=18))
    return store


async def read(store: Store, table: ExportTable, window: Interval = DAY) -> list[dict[str, object]]:
    return [dict(row) async for rows in read_rows(store, table, window) for row in rows]


async def test_names_and_ends(recorded: Store) -> None:
    """Rows have names in place of ids; what has not ended yet ends at None."""
    assert await read(recorded, ExportTable.SESSIONS) == [
        {
            "user": "ana",
            "server": "",
            "profile": None,
            "started": at(1),
            "last_activity": at(10),
            "ended": None,
            "image": "base:1",
        }
    ]
    assert await read(recorded, ExportTable.MEMBERSHIPS) == [
        {"group": "nbgrader-x", "user": "ana", "since": at(0), "until": None}
    ]


async def test_activity_has_a_start_and_an_end(recorded: Store) -> None:
    """Stored seconds become the end of the interval."""
    assert await read(recorded, ExportTable.ACTIVITY) == [
        {"user": "ana", "start": at(1), "end": at(10)}
    ]


async def test_days_and_polls(recorded: Store) -> None:
    """Rolled-up days and all polls are exported."""
    (day,) = await read(recorded, ExportTable.USER_DAYS)
    assert (day["day"], day["user"], day["active_seconds"]) == (START.date(), "ana", 9 * 60)
    polls = await read(recorded, ExportTable.POLLS)
    assert [row["time"] for row in polls] == [at(0), at(5), at(10)]


@pytest.mark.parametrize("table", [ExportTable.SESSIONS, ExportTable.POLLS, ExportTable.USER_DAYS])
async def test_other_days_are_left_out(recorded: Store, table: ExportTable) -> None:
    """Rows outside the window are not exported."""
    before = Interval(DAY.start - timedelta(days=3), DAY.start - timedelta(days=2))
    assert await read(recorded, table, before) == []


async def test_rows_come_in_batches(recorded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a batch is in memory at a time."""
    monkeypatch.setattr(export, "BATCH", 2)
    sizes = [len(rows) async for rows in read_rows(recorded, ExportTable.POLLS, DAY)]
    assert sizes == [2, 1]
