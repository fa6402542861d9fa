"""The culler's database: extensions, holds, the audit log and the last valid policy.

It is in SQLite or PostgreSQL.

Each method is one transaction. What changes an extension or a hold writes its audit line in
the same transaction.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.db.address import parse_address
from common.db.kept_text import keep_text, kept_text
from common.db.schema import Schema, open_database
from common.db.transactions import Database
from common.errors import StoreConflict, StoreError, StoreUnavailable
from services.cull.policy.model import Protections
from services.cull.store import audit, extensions, holds
from services.cull.store.records import Event, Extension, Hold, HoldKind, hold_event
from services.cull.store.tables import earlier_schema, kept_policy

SCHEMA = Schema(
    migrations=Path(__file__).parent / "migrations",
    revisions=("0001", "0002"),
    version_table="cull_alembic_version",
    earlier_table="cull_schema",
)

AUDIT_DAYS = 180
"""Audit lines are deleted after this many days."""

KEEP_EXPIRED = timedelta(days=7)
"""How long extensions and holds are kept after their end.

If a clock has run ahead for a while, they are in force again once it is corrected.
"""

_PRUNE_EVERY = timedelta(hours=1)
_ATTEMPTS = 20


class CullStore:
    """Keeps extensions, holds and the audit log. Open it before use and close it at the end.

    Every method may raise StoreError.
    """

    def __init__(self, db_url: str) -> None:
        """:raises ConfigError: the URL cannot be used"""
        self._address = parse_address(db_url)
        self._database: Database | None = None
        self._pruned: datetime | None = None

    async def open(self) -> None:
        """Connect, and create or migrate the tables where that is due.

        :raises ConfigError: a newer release created the database
        :raises StoreUnavailable: the database is out of reach; call open again later
        """
        self._database = await open_database(self._address, SCHEMA)

    async def close(self) -> None:
        """Close all connections."""
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def ping(self) -> None:
        """Check that the database responds."""
        async with self._reading() as connection:
            await connection.execute(sa.select(earlier_schema.c.version))

    async def protections(self, now: datetime) -> Protections:
        """The extensions and holds in force, in the policy's terms."""
        async with self._reading() as connection:
            extended = await extensions.in_force(connection, now)
            held = await holds.in_force(connection, now)
        return Protections(
            extensions=extended,
            server_holds={(h.name, h.server): h.until for h in held if h.kind is HoldKind.SERVER},
            user_holds={h.name: h.until for h in held if h.kind is HoldKind.USER},
            group_holds={h.name: h.until for h in held if h.kind is HoldKind.GROUP},
        )

    async def extend(
        self,
        user: str,
        server: str,
        *,
        by: str,
        until: datetime,
        limit_per_day: int,
        now: datetime,
        rule: str = "",
    ) -> Extension:
        """Keep a server running until a time, at most ``limit_per_day`` times in 24 hours.

        If the server is kept until less than a minute earlier already, nothing changes and the
        extension does not count: a double click is one extension.

        :raises ExtensionRefused: the limit is reached
        """
        event = Event(
            at=now,
            who=by,
            action="extend",
            target="server",
            name=user,
            server=server,
            rule=rule,
            until=until,
        )
        for _ in range(_ATTEMPTS):
            try:
                async with self._writing(now) as connection:
                    extension, added = await extensions.extend(
                        connection,
                        user,
                        server,
                        until=until,
                        by=by,
                        limit_per_day=limit_per_day,
                        now=now,
                    )
                    if added:
                        await audit.write(connection, event)
                    return extension
            except StoreConflict:
                continue  # another process took the same number: count again
        raise StoreError("too many extensions of one server at the same moment; try again")

    async def used(self, user: str, *, now: datetime) -> dict[str, list[datetime]]:
        """When a user's servers were extended in the last 24 hours, by server, oldest first."""
        async with self._reading() as connection:
            return await extensions.made_today(connection, user, now)

    async def hold(
        self,
        kind: HoldKind | str,
        name: str,
        server: str = "",
        *,
        until: datetime,
        by: str,
        why: str = "",
        now: datetime,
    ) -> Hold:
        """Hold a server, user or group until a time; replaces an earlier hold of the same."""
        kind = HoldKind(kind)
        wanted = Hold(
            id=0,
            kind=kind,
            name=name,
            server=server if kind is HoldKind.SERVER else "",
            until=until,
            by=by,
            why=why,
            made=now,
        )
        for _ in range(_ATTEMPTS):
            try:
                async with self._writing(now) as connection:
                    hold = await holds.put(connection, wanted)
                    await audit.write(connection, hold_event(hold, "hold", by=by, at=now))
                    return hold
            except StoreConflict:
                continue  # another process held the same target: the later hold wins
        raise StoreError("too many holds of one target at the same moment; try again")

    async def release(self, hold_id: int, *, by: str, now: datetime) -> Hold | None:
        """End a hold and return it; None if it has ended or never existed."""
        async with self._writing(now) as connection:
            hold = await holds.delete(connection, hold_id)
            if hold is not None:
                await audit.write(connection, hold_event(hold, "release", by=by, at=now))
            return hold

    async def list_holds(self, now: datetime) -> list[Hold]:
        """The holds in force, the first to end first."""
        async with self._reading() as connection:
            return await holds.in_force(connection, now)

    async def audit(self, *events: Event) -> None:
        """Write audit lines, all or none."""
        if events:
            async with self._writing(max(event.at for event in events)) as connection:
                await audit.write(connection, *events)

    async def audit_log(
        self, limit: int = 100, *, before_id: int | None = None
    ) -> list[tuple[int, Event]]:
        """The newest audit lines with their ids, newest first; before_id: for the next page."""
        async with self._reading() as connection:
            return await audit.newest(connection, limit, before_id=before_id)

    async def kept_policy(self, path: Path) -> str | None:
        """The last valid text of the policy file at a path."""
        async with self._reading() as connection:
            return await kept_text(connection, kept_policy, path)

    async def keep_policy(self, path: Path, text: str) -> None:
        """Keep a valid text of the policy file, in place of an earlier one."""
        async with self._opened.writing() as connection:
            await keep_text(connection, kept_policy, path, text)

    async def prune(self, now: datetime) -> None:
        """Delete what expired long enough ago."""
        self._pruned = None
        async with self._writing(now):
            pass

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._opened.reading() as connection:
            yield connection

    @asynccontextmanager
    async def _writing(self, now: datetime) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes; once an hour it also deletes what has expired."""
        async with self._opened.writing() as connection:
            if self._pruned is None or abs(now - self._pruned) >= _PRUNE_EVERY:
                await extensions.delete_expired(connection, now - KEEP_EXPIRED)
                await holds.delete_expired(connection, now - KEEP_EXPIRED)
                await audit.delete_old(connection, now - timedelta(days=AUDIT_DAYS))
                self._pruned = now
            yield connection

    @property
    def _opened(self) -> Database:
        if self._database is None:
            raise StoreUnavailable(f"database {self._address.shown}: not open")
        return self._database
