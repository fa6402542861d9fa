"""Rolling up days, on SQLite and PostgreSQL."""

from datetime import timedelta

from sqlalchemy import select

from services.stats.recorder_state import State
from services.stats.store import tables as t
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.store import Store
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.stats.store.polls import START, at, poll, server, store, user

__all__ = ["db_url", "postgres", "postgres_url", "store"]


async def test_days_are_rolled_up_once_over(store: Store) -> None:
    """A day is rolled up an hour after midnight, and again when its records change."""
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
    # After the last poll, nobody knows whether Ana worked in the server.
    assert (row.active_seconds, row.idle_seconds) == (55 * 60, 0)
    assert row.unobserved_seconds == (16 * 60 - 55) * 60
    seen = user("ana", server(10 * 60, started=0), last=10 * 60)
    late = poll(state, 24 * 60 + 70, seen)
    await store.write(late, leader=leader)
    assert await roll_up_until(store, at(24 * 60 + 70)) == [START.date()]
    async with store.reading() as connection:
        (row,) = await connection.execute(select(t.user_days))
    assert row.active_seconds == 60 * 60
