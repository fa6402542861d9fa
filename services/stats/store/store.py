"""The database's write side: one poll, one transaction.

Whoever records holds the lead (``lead.py``) and passes its number with every write. Should
another have taken over meanwhile the write is refused inside the same transaction, so two
recorders can never both count, whatever a lock that was lost has let through.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Table, delete, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.errors import ServiceError
from services.stats.days import day_of, midnight
from services.stats.record.sampler import LONGEST
from services.stats.record.state import State
from services.stats.records import Changes
from services.stats.store import tables as t
from services.stats.store.rows import person_row, read_state, session_row
from services.stats.store.schema import bring_up_to_date, make_engine, sqlite_path
from services.stats.store.tables import FOREVER

BATCH = 1000
"""Rows handed to the driver at once."""

AWAY = (OperationalError, DBAPIError, PoolTimeout, OSError)
"""What a driver raises while the database is out of reach (asyncpg: also OSError)."""


class StoreError(ServiceError):
    """The database did not do what was asked. Nothing of it was kept."""


class LeadLost(StoreError):
    """Another recorder has taken over."""


class Store:
    """The statistics' database. ``zone`` is where a day begins and ends."""

    def __init__(self, engine: AsyncEngine, zone: ZoneInfo) -> None:
        self.engine = engine
        self.zone = zone
        self.edits = 0
        """How often people were forgotten, as of the last load: then the state is stale."""

    @classmethod
    async def open(cls, db_url: str, zone: ZoneInfo, *, migrate: bool = True) -> "Store":
        """Connect, and bring the tables up to date. Raises ConfigError, SchemaError."""
        engine = make_engine(db_url)
        if path := sqlite_path(engine.url):
            await asyncio.to_thread(_make_private, path)
        try:
            await bring_up_to_date(engine, migrate=migrate)
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine, zone)

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose answers are all of one moment."""
        async with self.engine.connect() as connection:
            if self.engine.dialect.name == "postgresql":
                connection = await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction; on SQLite nobody else can write until it ends."""
        async with self.engine.connect() as connection:
            connection = await connection.execution_options(writes=True)
            async with connection.begin():
                yield connection

    # -- what the database says of itself

    async def read_meta(self, connection: AsyncConnection, *, lock: bool = False) -> dict[str, str]:
        """All of ``meta``; with ``lock`` nobody else can change it until the transaction ends."""
        query = select(t.meta.c.key, t.meta.c.value)
        if lock:
            query = query.with_for_update()
        return {row.key: row.value for row in await connection.execute(query)}

    async def write_meta(self, connection: AsyncConnection, **values: object) -> None:
        """Set some of ``meta``."""
        rows = [{"key": key, "value": str(value)} for key, value in values.items()]
        await self.upsert(connection, t.meta, rows)

    async def take_lead(self) -> int:
        """Become the one who writes; every earlier one is refused from now on."""
        async with self.writing() as connection:
            await self._insert_missing(
                connection, t.meta, [{"key": key, "value": "0"} for key in ("edits", "leader")]
            )
            leader = int((await self.read_meta(connection, lock=True))["leader"]) + 1
            await self.write_meta(connection, leader=leader)
            return leader

    async def keep_names_as(self, fingerprint: str) -> None:
        """See to it that all names are in one form: plain, or hashed with one key.

        Raises StoreError if the database has them in another one.
        """
        async with self.writing() as connection:
            found = (await self.read_meta(connection, lock=True)).get("names", fingerprint)
            await self.write_meta(connection, names=found)
        if found != fingerprint:
            was = "as they are" if found == "plain" else "hashed with another key, or hashed"
            raise StoreError(
                f"the names in this database are kept {was}, which cannot be mixed: set "
                "pseudonymise and pseudonym_key_file as before, or use another database"
            )

    async def mark_made_up(self) -> None:
        """Say that what is in the database is not true."""
        async with self.writing() as connection:
            await self.write_meta(connection, made_up="yes")

    # -- writing

    async def write(self, changes: Changes, *, leader: int) -> bool:
        """Write everything or, on any error, nothing. The same again changes nothing.

        Returns whether the state must be loaded anew, because people were forgotten since it
        was; their rows are left out. Raises LeadLost, and the driver's errors.
        """
        async with self.writing() as connection:
            meta = await self.read_meta(connection, lock=True)
            if int(meta.get("leader", 0)) != leader:
                raise LeadLost("another recorder has taken over this database")
            stale = int(meta.get("edits", 0)) != self.edits
            if stale:
                changes = changes.without_people(await self._forgotten(connection, changes))
            await self._write_rows(connection, changes)
            await self._mark_days(connection, changes, meta)
        return stale

    async def _write_rows(self, connection: AsyncConnection, changes: Changes) -> None:
        for table, names in ((t.groups, changes.groups), (t.profiles, changes.profiles)):
            await self._insert_missing(
                connection, table, [{"id": i, "name": name} for i, name in names.items()]
            )
        await self.upsert(connection, t.users, map(person_row, changes.everybody()))
        await self.upsert(
            connection,
            t.memberships,
            (
                {"group_id": g, "user_id": u, "since": since, "until": until or FOREVER}
                for g, u, since, until in changes.memberships()
            ),
        )
        await self.upsert(connection, t.sessions, map(session_row, changes.sessions.values()))
        gone = [(start, user) for (user, start), end in changes.activity.items() if end is None]
        for start, user_id in gone:
            await connection.execute(
                delete(t.activity).where(
                    t.activity.c.start == start, t.activity.c.user_id == user_id
                )
            )
        # In the order of the key: SQLite then fills its pages to the brim.
        await self.upsert(
            connection,
            t.activity,
            (
                {"start": start, "user_id": user, "seconds": int((end - start).total_seconds())}
                for start, user, end in sorted(
                    (start, user, end)
                    for (user, start), end in changes.activity.items()
                    if end is not None
                )
            ),
        )
        await self.upsert(connection, t.polls, (poll._asdict() for poll in changes.polls.values()))

    async def _mark_days(
        self, connection: AsyncConnection, changes: Changes, meta: Mapping[str, str]
    ) -> None:
        """Note which days are to be rolled up, or rolled up again."""
        news: dict[str, object] = {}
        days = [day_of(min(changes.polls), self.zone)] if changes.polls else []
        if "first_day" not in meta:
            if days:
                news = {"first_day": days[0].isoformat(), "rolled_until": days[0].isoformat()}
        else:
            first = date.fromisoformat(meta["first_day"])
            pruned = date.fromisoformat(meta.get("pruned_before", meta["first_day"]))
            if days and days[0] < first:
                if pruned > first:
                    raise StoreError("records before those that were pruned cannot be added")
                news["first_day"] = days[0].isoformat()
                first = pruned = days[0]
            if changes.touched is not None:
                days.append(max(day_of(changes.touched, self.zone), first, pruned))
            if days and min(days) < date.fromisoformat(meta["rolled_until"]):
                news["rolled_until"] = min(days).isoformat()
        if news:
            await self.write_meta(connection, **news)

    async def _forgotten(self, connection: AsyncConnection, changes: Changes) -> set[int]:
        new = {p.id for p in changes.everybody() if p.first_seen in changes.polls}
        asked = changes.people_touched() - new
        there: set[int] = set()
        for batch in _batches(sorted(asked), 500):
            rows = await connection.execute(select(t.users.c.id).where(t.users.c.id.in_(batch)))
            there.update(row.id for row in rows)
        return asked - there

    async def upsert(
        self, connection: AsyncConnection, table: Table, rows: Iterable[Mapping[str, Any]]
    ) -> None:
        """Insert rows with a value for every column; where the key is there, set the others.

        The driver gets the rows as they are to be stored. Handed over as dicts, each of them
        costs more on the way than the database takes to write it.
        """
        dialect = self.engine.dialect
        keys = [column.name for column in table.primary_key]
        insert = self._insert(table)
        rest = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
        statement = insert.on_conflict_do_update(index_elements=keys, set_=rest)
        compiled = str(statement.compile(dialect=dialect))
        values_of = itemgetter(*table.columns.keys())
        converters = [c.type.dialect_impl(dialect).bind_processor(dialect) for c in table.columns]
        to_convert = [(place, c) for place, c in enumerate(converters) if c is not None]
        for batch in _batches(rows, BATCH):
            stored = []
            for row in batch:
                values = list(values_of(row))
                for place, convert in to_convert:
                    values[place] = convert(values[place])
                stored.append(tuple(values))
            await connection.exec_driver_sql(compiled, stored)

    async def _insert_missing(
        self, connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        if rows:
            await connection.execute(self._insert(table).on_conflict_do_nothing(), rows)

    def _insert(self, table: Table) -> Any:
        # The two dialects' inserts have the same interface, but no common type.
        if self.engine.dialect.name == "postgresql":
            return postgresql.insert(table)
        return sqlite.insert(table)

    # -- reading back what the recorder knew

    async def load_state(self) -> State:
        """The state as of the last poll that was written."""
        async with self.reading() as connection:
            self.edits = int((await self.read_meta(connection)).get("edits", 0))
            return await read_state(connection)

    async def first_poll(self) -> datetime | None:
        """The first poll that is still kept."""
        async with self.reading() as connection:
            first: datetime | None = await connection.scalar(select(func.min(t.polls.c.time)))
        return first

    # -- taking away

    async def forget(self, name: str) -> int:
        """Remove everybody of that name, with all that is known of them; how many there were.

        What remains are sums over groups and the hub, which name nobody.
        """
        async with self.writing() as connection:
            if self.engine.dialect.name == "sqlite":
                await connection.execute(text("PRAGMA secure_delete=ON"))
            await self._insert_missing(connection, t.meta, [{"key": "edits", "value": "0"}])
            meta = await self.read_meta(connection, lock=True)
            result = await connection.execute(delete(t.users).where(t.users.c.name == name))
            if result.rowcount:
                await self.write_meta(connection, edits=int(meta["edits"]) + 1)
        if result.rowcount and self.engine.dialect.name == "sqlite":
            async with self.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return result.rowcount

    async def prune(self, before: datetime) -> int:
        """Remove raw records of days that ended before, and are rolled up; how many rows."""
        async with self.writing() as connection:
            meta = await self.read_meta(connection, lock=True)
            if "rolled_until" not in meta:
                return 0
            day = min(day_of(before, self.zone), date.fromisoformat(meta["rolled_until"]))
            pruned = date.fromisoformat(meta.get("pruned_before", meta["first_day"]))
            if day <= pruned:
                return 0
            limit = midnight(day, self.zone)
            rows = 0
            for condition in (
                t.activity.c.start < limit - LONGEST,
                t.sessions.c.ended < limit - timedelta(days=1),
                t.polls.c.time < limit - timedelta(days=1),
            ):
                table = condition.left.table
                rows += (await connection.execute(delete(table).where(condition))).rowcount
            await self.write_meta(connection, pruned_before=day.isoformat())
        return rows


def _make_private(path: Path) -> None:
    """Make a new database file that only we can read: who did what when is nobody else's."""
    with contextlib.suppress(OSError):  # SQLite will say what is wrong with it
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _batches(rows: Iterable[Any], size: int) -> Iterable[list[Any]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
