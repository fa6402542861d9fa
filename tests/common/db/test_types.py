"""Column types that more than one service uses, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from common.db.address import parse_address
from common.db.transactions import Database
from common.db.types import UtcDateTime
from common.errors import StoreRejected
from tests.fakes.databases import db_url, postgres, postgres_url

__all__ = ["db_url", "postgres", "postgres_url"]

AT = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
times = sa.Table("times", sa.MetaData(), sa.Column("at", UtcDateTime))


async def test_times_come_back_in_utc(db_url: str) -> None:
    """A time in another zone comes back as the same moment in UTC, to the microsecond."""
    database = Database(parse_address(db_url))
    india = timezone(timedelta(hours=5, minutes=30))
    async with database.writing() as connection:
        await connection.run_sync(times.create)
        await connection.execute(sa.insert(times), [{"at": AT.astimezone(india)}, {"at": None}])
    async with database.reading() as connection:
        found = list(await connection.scalars(sa.select(times.c.at).order_by(times.c.at.is_(None))))
    assert found == [AT, None]
    assert found[0].utcoffset() == timedelta(0)
    await database.close()


async def test_a_time_without_a_zone_is_rejected(db_url: str) -> None:
    """Its zone is not guessed."""
    database = Database(parse_address(db_url))
    async with database.writing() as connection:
        await connection.run_sync(times.create)
    with pytest.raises(StoreRejected, match="without a zone"):
        async with database.writing() as connection:
            await connection.execute(sa.insert(times).values(at=AT.replace(tzinfo=None)))
    await database.close()
