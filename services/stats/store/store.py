"""The statistics' database: each poll is written in one transaction.

One recorder at a time holds the lead (``leader_lock.py``) and passes its number with every
write. If another recorder has taken over in the meantime, the write is refused inside its own
transaction. So two recorders can never both count, even if a lock was lost.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from common.db.address import parse_address
from common.db.schema import Schema, open_database
from common.db.transactions import Database
from common.errors import StoreError
from services.stats.days import day_of, midnight
from services.stats.recorder_state import State
from services.stats.records import LONGEST, Changes, Session
from services.stats.settings.exclusion import Exclusion
from services.stats.store import tables as t
from services.stats.store.mapping import (
    person_row,
    session_of,
    session_row,
    spawn_counters_row,
    spawns_row,
)
from services.stats.store.state import read_state
from services.stats.store.tables import FOREVER
from services.stats.store.upsert import batches, insert_missing, upsert

SCHEMA = Schema(
    migrations=Path(__file__).parent / "migrations",
    revisions=("0001", "0002", "0003"),
    version_table="alembic_version",
)


EXCLUDE, EXCLUDE_FROM = "exclude", "exclude_from"
"""Facts in ``meta``: the patterns, and the day from which they hold (empty: from the first)."""

ENDED = " (until "
"""What follows the name of a group whose members have left for good, before the day."""


class LeadershipLost(StoreError):
    """Another recorder has taken over."""


class Store:
    """The statistics' database. ``zone`` is the time zone in which days begin and end.

    Every method may raise StoreError.
    """

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self.database = database
        self.zone = zone
        self.edits = 0
        """How often people were forgotten as of the last load; if that changed, the state is
        out of date."""

    @classmethod
    async def open(cls, db_url: str, zone: ZoneInfo | None, *, migrate: bool = True) -> "Store":
        """Connect, and create or migrate the tables where that is due.

        Without ``zone``, days begin as they did so far: in the zone that the database was kept in,
        and in UTC if it is new.

        :raises ConfigError: the URL cannot be used, a newer release created the database, or
            its schema is out of date and ``migrate`` is false
        :raises StoreUnavailable: the database is out of reach
        """
        database = await open_database(parse_address(db_url), SCHEMA, migrate=migrate)
        store = cls(database, zone or ZoneInfo("UTC"))
        if zone is None:
            try:
                store.zone = await store.kept_zone() or store.zone
            except BaseException:
                await database.close()
                raise
        return store

    async def kept_zone(self) -> ZoneInfo | None:
        """The time zone of the days in the database; None if there are none yet."""
        async with self.reading() as connection:
            name = (await self.read_meta(connection)).get("timezone")
        return None if name is None else ZoneInfo(name)

    async def close(self) -> None:
        """Close all connections."""
        await self.database.close()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads, and sees the database as of one moment."""
        async with self.database.reading() as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes; on SQLite no other can write until it ends."""
        async with self.database.writing() as connection:
            yield connection

    # -- facts about the database

    async def read_meta(self, connection: AsyncConnection, *, lock: bool = False) -> dict[str, str]:
        """All of ``meta``; with ``lock`` no other transaction can change it until this one ends."""
        query = select(t.meta.c.key, t.meta.c.value)
        if lock:
            query = query.with_for_update()
        return {row.key: row.value for row in await connection.execute(query)}

    async def write_meta(self, connection: AsyncConnection, **values: object) -> None:
        """Set some of ``meta``."""
        rows = [{"key": key, "value": str(value)} for key, value in values.items()]
        await upsert(connection, t.meta, rows)

    async def take_leadership(self) -> int:
        """Become the recorder that writes; returns its number. Earlier ones are refused now."""
        async with self.writing() as connection:
            await insert_missing(
                connection, t.meta, [{"key": key, "value": "0"} for key in ("edits", "leader")]
            )
            leader = int((await self.read_meta(connection, lock=True))["leader"]) + 1
            await self.write_meta(connection, leader=leader)
            return leader

    async def keep_names_as(self, fingerprint: str) -> None:
        """Make sure that all names have one form: plain, or hashed with one key.

        :raises StoreError: the names in the database have another form
        """
        async with self.writing() as connection:
            found = (await self.read_meta(connection, lock=True)).get("names", fingerprint)
            await self.write_meta(connection, names=found)
        if found != fingerprint:
            was = "as they are" if found == "plain" else "hashed with another key, or hashed"
            raise StoreError(
                f"the names in this database are kept {was}, and the two cannot be mixed: set"
                " pseudonymise and pseudonym_key_file as before, or use another database"
            )

    async def keep_hub_name(self, name: str) -> None:
        """Store the name of the hub, for reports; empty: it has none."""
        async with self.writing() as connection:
            await self.write_meta(connection, hub_name=name)

    async def kept_exclusion(self) -> Exclusion:
        """Who is not counted, with users' names as the database has them."""
        async with self.reading() as connection:
            return Exclusion.of((await self.read_meta(connection)).get(EXCLUDE))

    async def keep_exclusion(self, exclusion: Exclusion, *, leader: int) -> bool:
        """Count the days with raw records again if others are excluded now; whether they are.

        Users must already be marked by name (``Person.excluded``). Earlier days keep what was
        counted; ``exclude_from`` is the day from which the exclusion holds.

        :raises LeadershipLost: another recorder has taken over
        """
        async with self.writing() as connection:
            meta = await self.read_meta(connection, lock=True)
            if int(meta.get("leader", 0)) != leader:
                raise LeadershipLost("another recorder has taken over this database")
            if set(Exclusion.of(meta.get(EXCLUDE)).patterns) == set(exclusion.patterns):
                return False
            news = {EXCLUDE: exclusion.as_text(), EXCLUDE_FROM: ""}
            if "first_day" in meta:
                first = meta.get("pruned_before", meta["first_day"])
                news["rolled_until"] = first
                if first > meta["first_day"]:
                    news[EXCLUDE_FROM] = first
            await self.write_meta(connection, **news)
        return True

    async def keep_terms(self, terms: str) -> None:
        """Keep the terms of the service (see ``settings.terms``) for the commands and pages."""
        async with self.writing() as connection:
            if (await self.read_meta(connection, lock=True)).get("terms") != terms:
                await self.write_meta(connection, terms=terms)

    async def mark_made_up(self) -> None:
        """Mark the data in this database as made up."""
        async with self.writing() as connection:
            await self.write_meta(connection, made_up="yes")

    # -- writing

    async def write(self, changes: Changes, *, leader: int) -> bool:
        """Write everything or, on any error, nothing. Writing the same again changes nothing.

        Returns whether the state must be loaded again because people were forgotten since it
        was loaded; rows about them are left out.

        :raises LeadershipLost: another recorder has taken over
        :raises StoreRejected: the database does not accept these changes, now or later
        :raises StoreUnavailable: the database is out of reach; write them again later
        """
        async with self.writing() as connection:
            meta = await self.read_meta(connection, lock=True)
            if int(meta.get("leader", 0)) != leader:
                raise LeadershipLost("another recorder has taken over this database")
            stale = int(meta.get("edits", 0)) != self.edits
            if stale:
                changes = changes.without_people(await self._forgotten(connection, changes))
                await self._drop_erased_names(connection, changes)
            await self._write_rows(connection, changes)
            await self._mark_days(connection, changes, meta)
        return stale

    async def _write_rows(self, connection: AsyncConnection, changes: Changes) -> None:
        for table, names in (
            (t.groups, changes.groups),
            (t.profiles, changes.profiles),
            (t.images, changes.images),
        ):
            await insert_missing(
                connection, table, [{"id": i, "name": name} for i, name in names.items()]
            )
        await upsert(connection, t.users, map(person_row, changes.everybody()))
        await upsert(
            connection,
            t.memberships,
            (
                {"group_id": g, "user_id": u, "since": since, "until": until or FOREVER}
                for g, u, since, until in changes.memberships()
            ),
        )
        await upsert(connection, t.sessions, map(session_row, changes.sessions.values()))
        gone = [(start, user) for (user, start), end in changes.activity.items() if end is None]
        for start, user_id in gone:
            await connection.execute(
                delete(t.activity).where(
                    t.activity.c.start == start, t.activity.c.user_id == user_id
                )
            )
        # In the order of the key: SQLite then fills its pages completely.
        await upsert(
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
        await upsert(connection, t.polls, (poll._asdict() for poll in changes.polls.values()))
        await upsert(connection, t.spawns, map(spawns_row, changes.spawns.values()))
        await upsert(
            connection, t.spawn_counters, map(spawn_counters_row, changes.spawn_counters.values())
        )

    async def _mark_days(
        self, connection: AsyncConnection, changes: Changes, meta: Mapping[str, str]
    ) -> None:
        """Note which days must be rolled up, or rolled up again."""
        news: dict[str, object] = {}
        days = [day_of(min(changes.polls), self.zone)] if changes.polls else []
        if "first_day" not in meta:
            if days:
                day = days[0].isoformat()
                news = {"first_day": day, "rolled_until": day, "timezone": self.zone.key}
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

    async def _drop_erased_names(self, connection: AsyncConnection, changes: Changes) -> None:
        """Leave out the profiles and images whose names were erased with the only user of them."""
        profiles = {*await connection.scalars(select(t.profiles.c.id)), *changes.profiles}
        images = {*await connection.scalars(select(t.images.c.id)), *changes.images}
        for session in changes.sessions.values():
            if not ({session.profile_id} - {None} <= profiles) or not (
                {session.image_id} - {None} <= images
            ):
                changes.sessions[session.id] = session._replace(
                    profile_id=session.profile_id if session.profile_id in profiles else None,
                    image_id=session.image_id if session.image_id in images else None,
                )

    async def _forgotten(self, connection: AsyncConnection, changes: Changes) -> set[int]:
        new = {p.id for p in changes.everybody() if p.first_seen in changes.polls}
        asked = changes.people_touched() - new
        there: set[int] = set()
        for batch in batches(sorted(asked), 500):
            rows = await connection.execute(select(t.users.c.id).where(t.users.c.id.in_(batch)))
            there.update(row.id for row in rows)
        return asked - there

    # -- the recorder's state

    async def load_state(self) -> State:
        """The state as of the last poll in the database."""
        async with self.reading() as connection:
            edits = int((await self.read_meta(connection)).get("edits", 0))
            state = await read_state(connection)
        self.edits = edits  # only now: if reading fails, the earlier state is still out of date
        return state

    async def undecided_sessions(self, since: datetime) -> list[Session]:
        """The sessions that ended since then, of which it is unknown who stopped the server."""
        c = t.sessions.c
        query = select(t.sessions).where(c.ended >= since, c.ended < FOREVER, c.culled.is_(None))
        async with self.reading() as connection:
            return [session_of(row) for row in await connection.execute(query)]

    async def first_poll(self) -> datetime | None:
        """When the first poll was made that is still in the database; None if there is none."""
        async with self.reading() as connection:
            first: datetime | None = await connection.scalar(select(func.min(t.polls.c.time)))
        return first

    # -- deleting

    async def end_groups(self, empty_since: datetime) -> dict[str, str]:
        """Give the name of each group that has had no members since then to its next members.

        The group keeps its records, under its name with the day on which it became empty. Returns
        the new names by the earlier ones.
        """
        c = t.memberships.c
        last = func.max(c.until).label("last")
        query = (
            select(t.groups.c.id, t.groups.c.name, last)
            .join(t.memberships)
            .group_by(t.groups.c.id, t.groups.c.name)
            .having(last < empty_since)
        )
        async with self.writing() as connection:
            names = set(await connection.scalars(select(t.groups.c.name)))
            ended: dict[str, str] = {}
            for row in (await connection.execute(query)).all():
                if ENDED in row.name:
                    continue
                name = f"{row.name}{ENDED}{day_of(row.last, self.zone)})"
                if name in names:  # it was empty, used and empty again on one day
                    continue
                await connection.execute(
                    t.groups.update().where(t.groups.c.id == row.id).values(name=name)
                )
                ended[row.name] = name
        return ended

    async def prune(self, before: datetime) -> int:
        """Delete raw records of rolled-up days that ended before a time; how many rows."""
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
