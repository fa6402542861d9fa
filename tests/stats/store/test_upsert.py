"""Rows inserted or replaced, on SQLite and PostgreSQL."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from services.stats.store import tables as t
from services.stats.store.store import Store
from services.stats.store.upsert import BATCH, batches, insert_missing, upsert
from tests.fakes.databases import db_url, postgres, postgres_url
from tests.stats.store.polls import store

__all__ = ["db_url", "postgres", "postgres_url", "store"]

SEEN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def person(number: int, name: str) -> dict[str, object]:
    """A row of ``users``."""
    return {
        "id": number,
        "name": name,
        "created": None,
        "first_seen": SEEN,
        "first_created": None,
        "deleted": t.FOREVER,
        "excluded": False,
    }


async def test_rows_are_inserted_and_replaced(store: Store) -> None:
    """A row whose key exists gets the new values; types are converted as for a plain insert."""
    async with store.writing() as connection:
        await upsert(connection, t.users, [person(1, "ana"), person(2, "ben")])
        await upsert(connection, t.users, [person(2, "名前"), person(3, "eva")])
    async with store.reading() as connection:
        rows = [row._asdict() for row in await connection.execute(select(t.users))]
    assert rows == [person(1, "ana"), person(2, "名前"), person(3, "eva")]


async def test_more_rows_than_a_batch(store: Store) -> None:
    """Rows may come from a generator and be more than the driver gets together."""
    number = 2 * BATCH + 1
    async with store.writing() as connection:
        await upsert(connection, t.users, (person(one, "x") for one in range(number)))
    async with store.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(t.users)) == number


async def test_existing_rows_are_left_alone(store: Store) -> None:
    """insert_missing adds only rows whose key does not exist; no rows are no statement."""
    async with store.writing() as connection:
        await insert_missing(connection, t.groups, [])
        await insert_missing(connection, t.groups, [{"id": 1, "name": "a"}])
        await insert_missing(connection, t.groups, [{"id": 1, "name": "b"}, {"id": 2, "name": "c"}])
    async with store.reading() as connection:
        names = list(await connection.scalars(select(t.groups.c.name).order_by(t.groups.c.id)))
    assert names == ["a", "c"]


@pytest.mark.parametrize(
    ("number", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3])]
)
def test_batches(number: int, sizes: list[int]) -> None:
    """All rows in order, the last batch possibly smaller."""
    found = list(batches(range(number), 3))
    assert [len(batch) for batch in found] == sizes
    assert [one for batch in found for one in batch] == list(range(number))
