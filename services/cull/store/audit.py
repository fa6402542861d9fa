"""The audit log: what was stopped, removed, deleted, extended, held and released, and by whom."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cull.store.records import Event
from services.cull.store.tables import audit, event_from, event_values


async def write(connection: AsyncConnection, *events: Event) -> None:
    """Append audit lines, all or none."""
    if events:
        await connection.execute(sa.insert(audit), [event_values(event) for event in events])


async def newest(
    connection: AsyncConnection, limit: int, *, before_id: int | None = None
) -> list[tuple[int, Event]]:
    """The newest audit lines with their ids, newest first; those before an id for the next page."""
    query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(audit.c.id < before_id)
    return [(row.id, event_from(row)) for row in await connection.execute(query)]


async def delete_old(connection: AsyncConnection, before: datetime) -> None:
    """Delete audit lines of before a time."""
    await connection.execute(sa.delete(audit).where(audit.c.at <= before))
