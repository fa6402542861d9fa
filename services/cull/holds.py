"""Extensions, holds and the audit log in a database: SQLite, or PostgreSQL.

Several culler processes may share one database. The limit of extensions a day holds among them:
extensions of a server are numbered, two at the same moment want the same number, the database's
unique constraint lets one through, and the other counts again.

Every write first deletes what has expired, so no table grows without end.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from common.errors import ConfigError
from services.cull.database_url import async_url
from services.cull.policy import Protections
from services.cull.records import (
    DAY,
    Event,
    Extension,
    Hold,
    HoldKind,
    StoreError,
    hold_event,
    used_up,
)
from services.cull.tables import (
    SCHEMA,
    UtcDateTime,
    audit,
    event_from,
    event_values,
    extensions,
    hold_from,
    hold_of,
    holds,
    make_engine,
    metadata,
    schema,
    try_file,
)

AUDIT_DAYS = 180
KEEP_EXPIRED = timedelta(days=7)
_SAME = timedelta(minutes=1)
_ATTEMPTS = 20
# Any number, the same in all our processes: who makes the schema locks it on PostgreSQL.
_SCHEMA_LOCK = 0x63756C6C


class HoldStore:
    """Keeps extensions, holds and the audit log. Open it before use; close it at the end.

    db_url: as for SQLAlchemy; plain ``sqlite:///file`` and ``postgresql://...`` are fine.
    Every method may raise StoreError.
    """

    def __init__(self, db_url: str) -> None:
        self._url = sa.make_url(async_url(db_url))
        self._engine: AsyncEngine | None = None

    async def open(self) -> None:
        """Connect, and make the schema where there is none yet.

        Raises ConfigError when the schema is a newer one than this release knows, StoreError when
        the database is out of reach; open may then be called again.
        """
        engine = make_engine(self._url)
        try:
            with _store_errors(self._where):
                await asyncio.to_thread(try_file, self._url)
                async with engine.begin() as connection:
                    await self._make_schema(connection)
        except BaseException:
            await engine.dispose()
            raise
        self._engine = engine

    async def close(self) -> None:
        """Let go of all connections."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def ping(self) -> None:
        """Ask the database for a sign of life."""
        async with self._reading() as connection:
            await connection.execute(sa.select(schema.c.version))

    async def protections(self, now: datetime) -> Protections:
        """All that is in force now, as the policy wants it."""
        async with self._reading() as connection:
            extended = await connection.execute(
                sa.select(
                    extensions.c.user_name,
                    extensions.c.server_name,
                    sa.func.max(extensions.c.until, type_=UtcDateTime),
                )
                .where(extensions.c.until > now)
                .group_by(extensions.c.user_name, extensions.c.server_name)
            )
            kept = {(user, server): until for user, server, until in extended}
            held = [hold_from(row) for row in await connection.execute(_holds_in_force(now))]
        return Protections(
            extensions=kept,
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
        """Keep a server running until a time, at most limit_per_day times in 24 hours.

        Asked for a time that is not a minute later than what is in force already, it changes
        nothing and costs nothing: two clicks at once are not two extensions. Raises
        ExtensionRefused when the limit is reached.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with self._writing(now) as connection:
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
                    return await _extend(connection, event, until, limit_per_day)
            except IntegrityError:
                continue  # somebody took this number at the same moment: count again
        raise StoreError("too many extensions of one server at the same moment, try again")

    async def used(self, user: str, *, now: datetime) -> dict[str, list[datetime]]:
        """When each of a user's servers was extended in the last 24 hours, the first first."""
        made: dict[str, list[datetime]] = {}
        async with self._reading() as connection:
            rows = await connection.execute(
                sa.select(extensions.c.server_name, extensions.c.made)
                .where(extensions.c.user_name == user, extensions.c.made > now - DAY)
                .order_by(extensions.c.made)
            )
            for server, at in rows:
                made.setdefault(server, []).append(at)
        return made

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
        """Hold a server, a user or a group until a time; replaces an earlier hold of the same."""
        kind = HoldKind(kind)
        values = {
            "kind": kind.value,
            "name": name,
            "server_name": server if kind is HoldKind.SERVER else "",
            "until": until,
            "why": why,
            "made": now,
            "made_by": by,
        }
        for _ in range(_ATTEMPTS):
            try:
                async with self._writing(now) as connection:
                    await connection.execute(
                        sa.delete(holds).where(
                            holds.c.kind == values["kind"],
                            holds.c.name == name,
                            holds.c.server_name == values["server_name"],
                        )
                    )
                    made = await connection.execute(
                        sa.insert(holds).values(values).returning(holds.c.id)
                    )
                    hold_id: int = made.scalar_one()
                    hold = hold_of(hold_id, values)
                    await _write_events(connection, hold_event(hold, "hold", by=by, at=now))
                    return hold
            except IntegrityError:
                continue  # another admin held the same at the same moment: the later one counts
        raise StoreError("too many holds of the same at one moment, try again")

    async def release(self, hold_id: int, *, by: str, now: datetime) -> Hold | None:
        """End a hold; None when there is no such hold (any more)."""
        async with self._writing(now) as connection:
            found = await connection.execute(
                sa.delete(holds).where(holds.c.id == hold_id).returning(*holds.c)
            )
            row = found.one_or_none()
            if row is None:
                return None
            hold = hold_from(row)
            await _write_events(connection, hold_event(hold, "release", by=by, at=now))
            return hold

    async def list_holds(self, now: datetime) -> list[Hold]:
        """The holds in force, the first to end first."""
        async with self._reading() as connection:
            return [hold_from(row) for row in await connection.execute(_holds_in_force(now))]

    async def audit(self, *events: Event) -> None:
        """Write audit lines, all or none."""
        if not events:
            return
        async with self._writing(max(event.at for event in events)) as connection:
            await _write_events(connection, *events)

    async def audit_log(
        self, limit: int = 100, *, before_id: int | None = None
    ) -> list[tuple[int, Event]]:
        """The newest audit lines with their ids, newest first; before_id pages on."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(audit.c.id < before_id)
        async with self._reading() as connection:
            return [(row.id, event_from(row)) for row in await connection.execute(query)]

    async def prune(self, now: datetime) -> None:
        """Delete what has expired; every write does so too."""
        async with self._writing(now):
            pass

    @property
    def _where(self) -> str:
        return self._url.render_as_string(hide_password=True).partition("?")[0]

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        if self._engine is None:
            raise StoreError("the database is not open")
        with _store_errors(self._where):
            reader = self._engine.execution_options(cull_reads=True)
            async with reader.begin() as connection:
                yield connection

    @asynccontextmanager
    async def _writing(self, now: datetime) -> AsyncIterator[AsyncConnection]:
        if self._engine is None:
            raise StoreError("the database is not open")
        with _store_errors(self._where):
            async with self._engine.begin() as connection:
                await _prune(connection, now)
                yield connection

    async def _make_schema(self, connection: AsyncConnection) -> None:
        if connection.dialect.name == "postgresql":
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        await connection.run_sync(lambda sync: schema.create(sync, checkfirst=True))
        version = await connection.scalar(sa.select(sa.func.max(schema.c.version)))
        if version is not None and version > SCHEMA:
            raise ConfigError(
                [
                    f"--db-url: {self._where} was written by a newer release (schema {version},"
                    f" this one knows {SCHEMA}): upgrade jupyterhub-classroom, or name another"
                    " database"
                ]
            )
        await connection.run_sync(metadata.create_all)
        if version is None:
            await connection.execute(sa.insert(schema).values(version=SCHEMA))


@contextmanager
def _store_errors(where: str) -> Iterator[None]:
    """Name the database in errors, without its password; leave conflicts to the caller."""
    try:
        yield
    except IntegrityError:
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError) as error:
        cause = getattr(error, "orig", None) or error
        raise StoreError(f"database {where}: {type(cause).__name__}: {cause}") from error


async def _prune(connection: AsyncConnection, now: datetime) -> None:
    # Not at once: should a clock have run ahead for a while, holds are in force again after it.
    expired = now - KEEP_EXPIRED
    await connection.execute(
        sa.delete(extensions).where(extensions.c.until <= expired, extensions.c.made <= expired)
    )
    await connection.execute(sa.delete(holds).where(holds.c.until <= expired))
    await connection.execute(sa.delete(audit).where(audit.c.at <= now - timedelta(days=AUDIT_DAYS)))


async def _extend(
    connection: AsyncConnection, event: Event, until: datetime, limit: int
) -> Extension:
    user, server, now = event.name, event.server or "", event.at
    mine = sa.and_(extensions.c.user_name == user, extensions.c.server_name == server)
    found = await connection.execute(
        sa.select(extensions).where(mine).order_by(extensions.c.number)
    )
    rows = found.all()
    counted = sorted(row.made for row in rows if row.made > now - DAY)
    longest = max(rows, key=lambda row: row.until, default=None)
    if longest is not None and longest.until > until - _SAME:
        return Extension(
            user=user,
            server=server,
            until=longest.until,
            by=longest.made_by,
            made=longest.made,
            used=len(counted),
        )
    if len(counted) >= limit:
        raise used_up(limit, counted)
    await connection.execute(
        sa.insert(extensions).values(
            user_name=user,
            server_name=server,
            number=rows[-1].number + 1 if rows else 1,
            until=until,
            made=now,
            made_by=event.who,
        )
    )
    await _write_events(connection, event)
    return Extension(
        user=user, server=server, until=until, by=event.who, made=now, used=len(counted) + 1
    )


async def _write_events(connection: AsyncConnection, *events: Event) -> None:
    await connection.execute(sa.insert(audit), [event_values(event) for event in events])


def _holds_in_force(now: datetime) -> sa.Select[Any]:
    return sa.select(holds).where(holds.c.until > now).order_by(holds.c.until, holds.c.id)
