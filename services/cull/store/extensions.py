"""Extensions: a user keeps a server running for a while.

Several culler processes may share one database. The daily limit applies to all of them
together: the extensions of a server are numbered, two made at the same moment get the same
number, and the database's unique constraint lets only one of them through.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from common.db.types import UtcDateTime
from services.cull.store.records import DAY, Extension, used_up
from services.cull.store.tables import extensions

_SAME = timedelta(minutes=1)


async def extend(
    connection: AsyncConnection,
    user: str,
    server: str,
    *,
    until: datetime,
    by: str,
    limit_per_day: int,
    now: datetime,
) -> tuple[Extension, bool]:
    """Extend a server; the extension in force afterwards, and whether it is new.

    One that ends less than a minute before ``until`` stays and does not count again.

    :raises ExtensionRefused: ``limit_per_day`` is reached
    :raises StoreConflict: another process extended the server at the same moment
    """
    rows = (
        await connection.execute(
            sa.select(extensions)
            .where(extensions.c.user_name == user, extensions.c.server_name == server)
            .order_by(extensions.c.number)
        )
    ).all()
    made_today = sorted(row.made for row in rows if row.made > now - DAY)
    longest = max(rows, key=lambda row: row.until, default=None)
    if longest is not None and longest.until > until - _SAME:
        current = Extension(
            user=user,
            server=server,
            until=longest.until,
            by=longest.made_by,
            made=longest.made,
            used=len(made_today),
        )
        return current, False
    if len(made_today) >= limit_per_day:
        raise used_up(limit_per_day, made_today)
    await connection.execute(
        sa.insert(extensions).values(
            user_name=user,
            server_name=server,
            number=rows[-1].number + 1 if rows else 1,
            until=until,
            made=now,
            made_by=by,
        )
    )
    used = len(made_today) + 1
    added = Extension(user=user, server=server, until=until, by=by, made=now, used=used)
    return added, True


async def in_force(connection: AsyncConnection, now: datetime) -> dict[tuple[str, str], datetime]:
    """When the extensions in force end, by user and server."""
    rows = await connection.execute(
        sa.select(
            extensions.c.user_name,
            extensions.c.server_name,
            sa.func.max(extensions.c.until, type_=UtcDateTime),
        )
        .where(extensions.c.until > now)
        .group_by(extensions.c.user_name, extensions.c.server_name)
    )
    return {(user, server): until for user, server, until in rows}


async def made_today(
    connection: AsyncConnection, user: str, now: datetime
) -> dict[str, list[datetime]]:
    """When a user's servers were extended in the last 24 hours, by server, oldest first."""
    made: dict[str, list[datetime]] = {}
    rows = await connection.execute(
        sa.select(extensions.c.server_name, extensions.c.made)
        .where(extensions.c.user_name == user, extensions.c.made > now - DAY)
        .order_by(extensions.c.made)
    )
    for server, at in rows:
        made.setdefault(server, []).append(at)
    return made


async def delete_expired(connection: AsyncConnection, before: datetime) -> None:
    """Delete extensions that ended, and were made, before a time."""
    await connection.execute(
        sa.delete(extensions).where(extensions.c.until <= before, extensions.c.made <= before)
    )
