"""Holds: an administrator keeps a server, a user or a group running until a time."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cull.store.records import Hold
from services.cull.store.tables import hold_from, hold_values, holds


async def put(connection: AsyncConnection, hold: Hold) -> Hold:
    """Store a hold in place of an earlier one of the same target; it gets its id.

    :raises StoreConflict: another process held the same target at the same moment
    """
    values = hold_values(hold)
    target = ("kind", "name", "server_name")
    await connection.execute(sa.delete(holds).where(*(holds.c[c] == values[c] for c in target)))
    inserted = await connection.execute(sa.insert(holds).values(values).returning(*holds.c))
    return hold_from(inserted.one())


async def delete(connection: AsyncConnection, hold_id: int) -> Hold | None:
    """Delete a hold and return it; None if there is no such hold."""
    deleted = await connection.execute(
        sa.delete(holds).where(holds.c.id == hold_id).returning(*holds.c)
    )
    row = deleted.one_or_none()
    return None if row is None else hold_from(row)


async def in_force(connection: AsyncConnection, now: datetime) -> list[Hold]:
    """The holds in force, the first to end first."""
    query = sa.select(holds).where(holds.c.until > now).order_by(holds.c.until, holds.c.id)
    return [hold_from(row) for row in await connection.execute(query)]


async def delete_expired(connection: AsyncConnection, before: datetime) -> None:
    """Delete holds that ended before a time."""
    await connection.execute(sa.delete(holds).where(holds.c.until <= before))
