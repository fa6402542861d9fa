"""Extensions, holds and the audit log in a database: SQLite, or PostgreSQL.

Several culler processes may share one database. The limit of extensions a day holds among them:
extensions of a server are numbered, two at the same moment want the same number, the database's
unique constraint lets one through, and the other counts again.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from common.db.engine import UtcDateTime
from services.cull.policy.model import Protections
from services.cull.store.database import Database
from services.cull.store.records import (
    DAY,
    Event,
    Extension,
    Hold,
    HoldKind,
    StoreError,
    hold_event,
    used_up,
)
from services.cull.store.tables import (
    audit,
    event_from,
    event_values,
    extensions,
    hold_from,
    hold_of,
    holds,
)

_SAME = timedelta(minutes=1)
_ATTEMPTS = 20


class CullStore(Database):
    """Keeps extensions, holds and the audit log. Open it before use; close it at the end.

    Every method may raise StoreError.
    """

    async def protections(self, now: datetime) -> Protections:
        """All that is in force now, as the policy wants it."""
        async with self.reading() as connection:
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
                async with self.writing(now) as connection:
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
        async with self.reading() as connection:
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
                async with self.writing(now) as connection:
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
        async with self.writing(now) as connection:
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
        async with self.reading() as connection:
            return [hold_from(row) for row in await connection.execute(_holds_in_force(now))]

    async def audit(self, *events: Event) -> None:
        """Write audit lines, all or none."""
        if not events:
            return
        async with self.writing(max(event.at for event in events)) as connection:
            await _write_events(connection, *events)

    async def audit_log(
        self, limit: int = 100, *, before_id: int | None = None
    ) -> list[tuple[int, Event]]:
        """The newest audit lines with their ids, newest first; before_id pages on."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(audit.c.id < before_id)
        async with self.reading() as connection:
            return [(row.id, event_from(row)) for row in await connection.execute(query)]


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
