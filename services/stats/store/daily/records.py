"""The raw records of a day, read from the database."""

from bisect import bisect_left
from collections.abc import AsyncIterator, Collection, Iterable, Sequence, Set
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.days import bounds, day_of, midnight, unbroken_since
from services.stats.intervals import Interval, union
from services.stats.records import LONGEST, MADE_UP, Poll, Session
from services.stats.store import tables as t
from services.stats.store.daily.past_members import PastMembers
from services.stats.store.daily.rollup import (
    CULLED_AFTER,
    SAVES_AT_MOST,
    DayRecords,
    is_work,
    observed,
)
from services.stats.store.excluded import Excluded
from services.stats.store.mapping import last_day, session_of
from services.stats.store.store import Store
from services.stats.store.tables import EPOCH
from services.stats.store.upsert import batches

LONGEST_IDLE = timedelta(days=14)
"""A server that was idle for longer when it stopped is not credited as saved time."""

DAYS_AT_ONCE = 3
"""Days whose records are read together: usually one or two are not rolled up yet."""


async def read_days(
    store: Store,
    connection: AsyncConnection,
    wanted: Sequence[date],
    until: datetime,
    groups: Collection[int] | None = None,
) -> AsyncIterator[DayRecords]:
    """Everything recorded about consecutive days, up to a moment.

    All days before the first must be rolled up.
    """
    excluded = await Excluded.read(connection, await store.read_meta(connection), store.zone)
    past = PastMembers(store.zone, excluded)
    last_active: dict[int, date] = {}
    if wanted:
        last_active = await _last_active(connection, wanted[0], excluded)
        await past.read(connection, wanted[0], wanted[-1], groups)
    for at in range(0, len(wanted), DAYS_AT_ONCE):
        some = wanted[at : at + DAYS_AT_ONCE]
        wholes = [bounds(day, store.zone) for day in some]
        windows = [Interval(w.start, max(w.start, min(w.end, until))) for w in wholes]
        span = Interval(windows[0].start, windows[-1].end)
        sessions = await _read_sessions(connection, span)
        by_user: dict[int, list[Session]] = {}
        for session in sessions:
            by_user.setdefault(session.user_id, []).append(session)
        activity = await _read_activity(connection, span)
        polls = await read_polls(connection, Interval(since_when(sessions, span), span.end))
        seen = union(observed(polls, Interval(EPOCH, span.end)))
        with_servers = [poll.time for poll in polls if poll.servers is not None]
        for day, whole, window in zip(some, wholes, windows, strict=True):
            worked = [
                (user_id, interval)
                for user_id, interval in activity
                if interval.start < window.end
                and (interval.end > window.start or interval.start == window.start)
            ]
            hidden = excluded.on(day)
            records = DayRecords(
                day=day,
                window=window,
                zone=store.zone,
                sessions=[
                    session
                    for session in sessions
                    if session.started < window.end
                    and (session.ended is None or session.ended > window.start - SAVES_AT_MOST)
                ],
                activity=worked,
                seen=seen,
                servers_known=_any_within(with_servers, window)
                or not _any_within([poll.time for poll in polls], window),
                people=await _count_people(connection, whole, hidden),
                members=await read_members(connection, whole, groups),
                joined=await read_joined(connection, store.zone, sessions, whole, groups),
                newcomers=await _newcomers(connection, whole),
                last_active=dict(last_active),
                excluded=hidden,
            )
            past.add_to(records)
            yield records
            last_active |= {
                user_id: day
                for user_id, interval in worked
                if user_id not in hidden and is_work(interval, by_user.get(user_id, ()))
            }


def since_when(sessions: Iterable[Session], span: Interval) -> datetime:
    """How far back it matters what was observed: since the servers that stopped became idle."""
    idle_since = [
        session.last_activity
        for session in sessions
        if session.ended is not None and session.ended - session.last_activity >= CULLED_AFTER
    ]
    return max(min([span.start, *idle_since]), span.start - LONGEST_IDLE)


def _any_within(times: Sequence[datetime], window: Interval) -> bool:
    """Whether one of the times, which are sorted, is in the window."""
    at = bisect_left(times, window.start)
    return at < len(times) and times[at] < window.end


async def _read_sessions(connection: AsyncConnection, span: Interval) -> list[Session]:
    """The sessions that ran in the span, or ended in the 24 hours before it.

    This scans all sessions: an index on their ends would be a fifth of the database.
    """
    ended = t.sessions.c.ended > span.start - SAVES_AT_MOST
    rows = await connection.execute(
        select(t.sessions).where(t.sessions.c.started < span.end, ended)
    )
    return [session_of(row) for row in rows.all()]


async def _read_activity(connection: AsyncConnection, span: Interval) -> list[tuple[int, Interval]]:
    c = t.activity.c
    query = select(c.user_id, c.start, c.seconds)
    rows = await connection.execute(
        query.where(c.start < span.end, c.start >= span.start - LONGEST)
    )
    return [
        (user_id, Interval(start, start + timedelta(seconds=seconds)))
        for user_id, start, seconds in rows.all()
    ]


async def _count_people(connection: AsyncConnection, whole: Interval, hidden: Set[int]) -> int:
    there = (t.users.c.first_seen < whole.end) & (t.users.c.deleted > whole.start)
    number = await connection.scalar(select(func.count()).where(there)) or 0
    for some in batches(sorted(hidden), 500):
        query = select(func.count()).where(there, t.users.c.id.in_(some))
        number -= await connection.scalar(query) or 0
    return number


async def read_polls(connection: AsyncConnection, window: Interval) -> list[Poll]:
    """The complete polls in the window, with the last one before and the first one after it."""
    time = t.polls.c.time
    whole = t.polls.c.whole == true()
    before = select(func.max(time)).where(whole, time < window.start).scalar_subquery()
    after = select(func.min(time)).where(whole, time >= window.end).scalar_subquery()
    query = (
        select(t.polls)
        .where(
            whole,
            time >= func.coalesce(before, literal(window.start, t.UTCTime())),
            time <= func.coalesce(after, literal(window.end, t.UTCTime())),
        )
        .order_by(time)
    )
    rows = await connection.execute(query)
    return [Poll(**row._mapping) for row in rows.all()]


async def read_members(
    connection: AsyncConnection, window: Interval, groups: Collection[int] | None
) -> dict[int, set[int]]:
    """The members of each group at any time in the window; groups None: of all groups."""
    query = select(t.memberships.c.group_id, t.memberships.c.user_id).where(
        t.memberships.c.since < window.end, t.memberships.c.until > window.start
    )
    if groups is not None:
        query = query.where(t.memberships.c.group_id.in_(groups))
    members: dict[int, set[int]] = {}
    for row in (await connection.execute(query)).all():
        members.setdefault(row.group_id, set()).add(row.user_id)
    return members


async def read_joined(
    connection: AsyncConnection,
    zone: ZoneInfo,
    sessions: Iterable[Session],
    window: Interval,
    groups: Collection[int] | None,
) -> dict[int, dict[int, datetime]]:
    """When members joined: the start of that day, by group. Only since the first of the sessions.

    Users who left and came back on the same or on the next day never left. ``groups`` None: all
    groups.
    """
    started = min((session.started for session in sessions), default=window.end)
    c = t.memberships.c
    query = select(c.group_id, c.user_id, c.since).where(
        c.since < window.end, c.until > window.start, c.since > started
    )
    if groups is not None:
        query = query.where(c.group_id.in_(groups))
    found = {(group_id, user_id) for group_id, user_id, _ in await connection.execute(query)}
    spells: dict[tuple[int, int], list[tuple[date, date]]] = {}
    for users in batches(sorted({user_id for _, user_id in found}), 500):
        of_users = select(c.group_id, c.user_id, c.since, c.until).where(c.user_id.in_(users))
        for group_id, user_id, since, until in await connection.execute(of_users):
            days = (day_of(since, zone), last_day(until, zone))
            spells.setdefault((group_id, user_id), []).append(days)
    joined: dict[int, dict[int, datetime]] = {}
    day = day_of(window.start, zone)
    for group_id, user_id in found:
        first = unbroken_since(spells[group_id, user_id], day)
        joined.setdefault(group_id, {})[user_id] = midnight(first, zone)
    return joined


async def _newcomers(connection: AsyncConnection, window: Interval) -> set[int]:
    """Users whose account was created in the window or, if unknown, who were first seen in it.

    The first account counts, if it was deleted and made again. Not those who were seen before.
    """
    created = func.coalesce(t.users.c.first_created, t.users.c.created)
    seen = t.users.c.first_seen
    made = (created >= window.start) & (created < window.end) & (seen >= window.start)
    unknown = created.is_(None) | (created == MADE_UP)
    first = unknown & (seen >= window.start) & (seen < window.end)
    rows = await connection.execute(select(t.users.c.id).where(made | first))
    return {row.id for row in rows}


async def _last_active(
    connection: AsyncConnection, before: date, excluded: Excluded
) -> dict[int, date]:
    """The last active day of each user in the 29 rolled-up days before that day, if it counts."""
    c = t.user_days.c
    first = before - timedelta(days=29)
    query = (
        select(c.user_id, func.max(c.day))
        .where(c.day >= first, c.day < before, c.was_active, excluded.condition(c))
        .group_by(c.user_id)
    )
    found: dict[int, date] = dict(tuple(row) for row in (await connection.execute(query)).all())
    for row in await excluded.also_counted(connection, first, before - timedelta(days=1)):
        if row.was_active:
            found[row.user_id] = max(row.day, found.get(row.user_id, row.day))
    return found
