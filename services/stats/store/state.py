"""The recorder's state, read back from the database."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.intervals import Interval
from services.stats.recorder_state import RECENT, State
from services.stats.records import LONGEST
from services.stats.store import tables as t
from services.stats.store.mapping import person_of, session_of, spawn_counters_of, spawns_of
from services.stats.store.tables import FOREVER

AT_ONCE = 5000
"""Rows fetched together: each fetch costs two context switches."""


async def read_state(connection: AsyncConnection) -> State:
    """The state as of the last poll in the database."""
    state = State()
    await _load_people(connection, state)
    for row in await connection.execute(select(t.sessions).where(t.sessions.c.ended == FOREVER)):
        state.running[row.user_id, row.server] = session_of(row)
    state.last_poll = await connection.scalar(
        select(func.max(t.polls.c.time)).where(t.polls.c.whole)
    )
    state.last_full = await connection.scalar(
        select(func.max(t.polls.c.time)).where(t.polls.c.whole, t.polls.c.full)
    )
    state.next_person = 1 + (await connection.scalar(select(func.max(t.users.c.id))) or 0)
    state.next_session = 1 + (await connection.scalar(select(func.max(t.sessions.c.id))) or 0)
    if state.last_poll is not None:
        state.settled_until = state.last_poll - RECENT
        await _load_recent(connection, state)
    await _load_spawns(connection, state)
    return state


async def _load_spawns(connection: AsyncConnection, state: State) -> None:
    latest = select(t.spawn_counters).order_by(t.spawn_counters.c.since.desc()).limit(1)
    row = (await connection.execute(latest)).first()
    if row is None:
        return
    state.spawn_counters = spawn_counters_of(row)
    hour = t.spawns.c.until >= state.spawn_counters.until
    for row in await connection.execute(select(t.spawns).where(hour)):
        spawns = spawns_of(row)
        state.spawns[spawns.since, spawns.until, spawns.outcome] = spawns


async def _load_people(connection: AsyncConnection, state: State) -> None:
    async with connection.stream(select(t.users)) as rows:
        async for batch in rows.partitions(AT_ONCE):
            for person in map(person_of, batch):
                if person.deleted is None:
                    state.people[person.name] = person
                else:
                    state.deleted[person.id] = person
    for table, names in (
        (t.groups, state.groups),
        (t.profiles, state.profiles),
        (t.images, state.images),
    ):
        for row in await connection.execute(select(table)):
            names[row.name] = row.id
    query = select(t.memberships).where(t.memberships.c.until == FOREVER)
    async with connection.stream(query) as rows:
        async for batch in rows.partitions(AT_ONCE):
            for row in batch:
                state.join(row.group_id, row.user_id, row.since)


async def _load_recent(connection: AsyncConnection, state: State) -> None:
    servers: dict[int, list[str]] = {}
    for user_id, server in state.running:
        servers.setdefault(user_id, []).append(server)
    start = t.activity.c.start
    recent = state.settled_until - LONGEST
    # For a user whose server has been idle for weeks, weeks are read; not for all the others.
    first = min([state.settled_until, *(s.last_activity for s in state.running.values())]) - LONGEST
    runs = select(t.sessions.c.user_id).where(t.sessions.c.ended == FOREVER)
    older = (start >= first) & (start < recent) & t.activity.c.user_id.in_(runs)
    query = select(t.activity).where((start >= recent) | older).order_by(start)
    for row in await connection.execute(query):
        interval = Interval(row.start, row.start + timedelta(seconds=row.seconds))
        if interval.end >= state.settled_for(row.user_id, servers.get(row.user_id, ())):
            state.recent.setdefault(row.user_id, []).append(interval)
