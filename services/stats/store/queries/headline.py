"""What the first screen of the overview needs: this week, servers now, who has not started."""

import asyncio
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import day_of
from services.stats.query.access import Members
from services.stats.query.glance.headline import (
    Headline,
    Latest,
    NotStarted,
    headline,
    is_current,
    weeks,
)
from services.stats.store import tables as t
from services.stats.store.queries.days import days
from services.stats.store.queries.people import count_active, current_users, was_active
from services.stats.store.queries.selection import Selection
from services.stats.store.store import Store
from services.stats.store.tables import FOREVER


class LastDays(NamedTuple):
    """A user's last days in the daily totals."""

    active: date | None
    present: date | None


class EverActive:
    """The last days of every user, read once for each poll.

    Finding those who have never been active takes a pass over all daily totals, which is too slow
    for each request.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reading = asyncio.Lock()
        self._key: tuple[object, ...] | None = None
        self._days: dict[int, LastDays] = {}

    async def read(self, connection: AsyncConnection, last_poll: datetime) -> dict[int, LastDays]:
        """By user id. Users who were neither active nor present are missing."""
        meta = await self._store.read_meta(connection)
        key = (last_poll, meta.get("rolled_until"), meta.get("edits"))
        async with self._reading:  # concurrent calls share the result
            if key != self._key:
                c = t.user_days.c
                query = select(
                    c.user_id,
                    func.max(c.day).filter(c.was_active).label("active"),
                    func.max(c.day).filter(c.was_present).label("present"),
                ).group_by(c.user_id)
                rows = await connection.execute(query)
                self._days = {row.user_id: LastDays(row.active, row.present) for row in rows}
                self._key = key
            return self._days


async def read_headline(
    selection: Selection, ever_active: EverActive, now: datetime
) -> Headline | None:
    """The figures as of ``now``. ``selection`` covers both weeks. None before the first poll."""
    if selection.span is None:
        return None
    this, last = weeks(day_of(now, selection.zone))
    active = (await count_active(selection, this), await count_active(selection, last))
    return headline(
        rows=await days(selection),
        active=active,
        latest=await _latest(selection),
        not_started=await _not_started(selection, ever_active),
        now=now,
        zone=selection.zone,
    )


async def read_observed_until(connection: AsyncConnection, now: datetime) -> datetime:
    """The time of the last complete poll; ``now`` if the next one is overdue."""
    query = (
        select(t.polls.c.time, t.polls.c.interval)
        .where(t.polls.c.whole)
        .order_by(t.polls.c.time.desc())
        .limit(1)
    )
    poll = (await connection.execute(query)).first()
    if poll is None:
        return now
    latest = Latest(poll.time, poll.interval, None)
    return latest.time if is_current(latest, now) else now


async def _latest(selection: Selection) -> Latest:
    query = select(t.polls.c.interval, t.polls.c.servers).where(t.polls.c.time == selection.now)
    poll = (await selection.connection.execute(query)).one()
    if isinstance(selection.audience, Members) and poll.servers is not None:
        return Latest(selection.now, poll.interval, await _running(selection))
    return Latest(selection.now, poll.interval, poll.servers)


async def _running(selection: Selection) -> int:
    """The number of servers of the group's current members who count."""
    running = select(t.sessions.c.user_id).where(t.sessions.c.ended == FOREVER)
    current = await current_users(selection)
    return sum(
        user_id in current for user_id in (await selection.connection.scalars(running)).all()
    )


async def _not_started(selection: Selection, ever_active: EverActive) -> NotStarted:
    current = await current_users(selection)
    last_days = await ever_active.read(selection.connection, selection.now)
    live = [day for day in selection.live_users if selection.visible(day.user_id, day.day)]
    idle = current - {day.user_id for day in live if day.was_active}
    never: set[int] = set()
    doubtful: set[int] = set()
    for user_id in idle:
        last = last_days.get(user_id)
        if last is None or last.active is None:
            never.add(user_id)
        elif not selection.visible(user_id, last.active):
            doubtful.add(user_id)  # active outside their time in the group, perhaps also in it
    if doubtful:
        never |= doubtful - await was_active(selection, doubtful)
    present = {day.user_id for day in live if day.was_present}
    present |= {
        user_id
        for user_id in never
        if (seen := last_days.get(user_id)) and seen.present
        if selection.visible(user_id, seen.present)
    }
    assert selection.span is not None  # noqa: S101 - checked by the caller
    return NotStarted(len(never), len(never & present), len(current), selection.span.first_day)
