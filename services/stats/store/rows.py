"""Rows of the database as the values of ``records``, and the recorder's state out of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.intervals import Interval
from services.stats.record.sampler import LONGEST
from services.stats.record.state import RECENT, State
from services.stats.records import Person, Session
from services.stats.store import tables as t
from services.stats.store.tables import FOREVER

AT_ONCE = 5000
"""Rows that are fetched at once: each fetch costs two changes of context."""


def person_row(person: Person) -> dict[str, Any]:
    """The row of ``users``."""
    row = person._asdict()
    row["deleted"] = person.deleted or FOREVER
    return row


def session_row(session: Session) -> dict[str, Any]:
    """The row of ``sessions``."""
    row = session._asdict()
    row["ended"] = session.ended or FOREVER
    return row


def person_of(row: Row[Any]) -> Person:
    """The person in a row of ``users``."""
    ends = None if row.deleted == FOREVER else row.deleted
    return Person(row.id, row.name, row.created, row.first_seen, ends)


def session_of(row: Sequence[Any]) -> Session:
    """The session in a row of ``sessions``."""
    # By place: the columns are the fields, and by name each would be looked up, row for row.
    number, user_id, server, profile_id, started, last, ended = row
    ends = None if ended == FOREVER else ended
    return Session(number, user_id, server, profile_id, started, last, ends)


async def read_state(connection: AsyncConnection) -> State:
    """The state as of the last poll that was written."""
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
    return state


async def _load_people(connection: AsyncConnection, state: State) -> None:
    async with connection.stream(select(t.users)) as rows:
        async for batch in rows.partitions(AT_ONCE):
            for person in map(person_of, batch):
                if person.deleted is None:
                    state.people[person.name] = person
                else:
                    state.deleted[person.id] = person
    for table, names in ((t.groups, state.groups), (t.profiles, state.profiles)):
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
    # Whose server has been idle for weeks is asked for weeks; but not everybody with them.
    first = min([state.settled_until, *(s.last_activity for s in state.running.values())]) - LONGEST
    runs = select(t.sessions.c.user_id).where(t.sessions.c.ended == FOREVER)
    older = (start >= first) & (start < recent) & t.activity.c.user_id.in_(runs)
    query = select(t.activity).where((start >= recent) | older).order_by(start)
    for row in await connection.execute(query):
        interval = Interval(row.start, row.start + timedelta(seconds=row.seconds))
        if interval.end >= state.settled_for(row.user_id, servers.get(row.user_id, ())):
            state.recent.setdefault(row.user_id, []).append(interval)
