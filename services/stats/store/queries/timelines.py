"""Timelines, gaps and running servers, out of the raw records."""

from datetime import date, datetime, timedelta

from sqlalchemy import select

from services.stats.days import bounds, days, midnight
from services.stats.intervals import Interval
from services.stats.query.access import Everybody, Individual, Members
from services.stats.query.answers import Timeline
from services.stats.records import LONGEST, Session
from services.stats.store import tables as t
from services.stats.store.day_records import read_polls
from services.stats.store.mapping import session_of
from services.stats.store.queries.question import Question
from services.stats.store.rollup import observed


def _window(q: Question) -> Interval:
    return Interval(midnight(q.first, q.zone), bounds(q.last, q.zone).end)


async def sessions_of(q: Question) -> list[Session]:
    """Sessions of the group's members or of the person, by their start."""
    window = _window(q)
    query = select(t.sessions).where(
        t.sessions.c.started < window.end, t.sessions.c.ended > window.start
    )
    if isinstance(q.audience, Members):
        members = select(t.memberships.c.user_id).where(t.memberships.c.group_id == q.group_id)
        query = query.where(t.sessions.c.user_id.in_(members))
    else:
        query = query.where(t.sessions.c.user_id.in_(list(q.windows or ())))
    rows = await q.connection.execute(query.order_by(t.sessions.c.started))
    return [session_of(row) for row in rows]


async def work_of(q: Question, user_id: int) -> list[Interval]:
    window = _window(q)
    query = select(t.activity.c.start, t.activity.c.seconds).where(
        t.activity.c.start < window.end,
        t.activity.c.start >= window.start - LONGEST,
        t.activity.c.user_id == user_id,
    )
    rows = await q.connection.execute(query.order_by(t.activity.c.start))
    return [Interval(row.start, row.start + timedelta(seconds=row.seconds)) for row in rows]


async def timeline(q: Question) -> Timeline:
    if q.span is None or not q.windows or not isinstance(q.audience, Individual):
        return Timeline(None)
    (user_id,) = q.windows
    names = await q.connection.execute(select(t.profiles))
    return Timeline(
        person=await q.person(q.audience),
        sessions=[part for s in await sessions_of(q) for part in _shown(q, s)],
        profiles={row.id: row.name for row in names},
        work=[part for i in await work_of(q, user_id) for part in q.visible_parts(user_id, i)],
        gaps=await gaps(q),
    )


def _shown(q: Question, session: Session) -> list[Session]:
    """What of the session may be seen: cut at the ends of a membership."""
    now = q.span.last_poll if q.span else session.last_activity
    whole = Interval(session.started, max(session.ended or now, session.started))
    parts = q.visible_parts(session.user_id, whole)
    if parts == [whole]:
        return [session]
    return [
        session._replace(
            started=part.start, last_activity=min(session.last_activity, part.end), ended=part.end
        )
        for part in parts
    ]


async def gaps(q: Question) -> list[Interval]:
    """When nobody was looking, from the polls of those days that were not seen from end to end."""
    if q.span is None or q.first > q.last:
        return []
    unseen: list[Interval] = []
    for first, last in await _not_whole(q):
        window = Interval(midnight(first, q.zone), bounds(last, q.zone).end)
        window = Interval(window.start, min(window.end, q.span.last_poll))
        moment = window.start
        for seen in observed(await read_polls(q.connection, window), window):
            if seen.start > moment:
                unseen.append(Interval(moment, seen.start))
            moment = max(moment, seen.end)
        if moment < window.end:
            unseen.append(Interval(moment, window.end))
    return unseen


async def _not_whole(q: Question) -> list[tuple[date, date]]:
    """Runs of days of which a part was not observed; of days without raw polls none is known."""
    if q.span is None:
        return []
    seen = {row.day: row.observed_seconds for row in await q.hub_days()}
    runs: list[tuple[date, date]] = []
    for day in days(max(q.first, q.span.raw_from), q.last):
        if seen.get(day, 0) >= bounds(day, q.zone).seconds:
            continue
        if runs and runs[-1][1] == day - timedelta(days=1):
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


async def servers_at(q: Question, points: int) -> list[tuple[datetime, int | None]]:
    if q.span is None or q.first > q.last:
        return []
    window = _window(q)
    window = Interval(window.start, min(window.end, q.span.last_poll))
    step = timedelta(seconds=max(60, window.seconds // max(points, 1)))
    unseen = await gaps(q)
    if isinstance(q.audience, Everybody):
        return await _hub_servers_at(q, window, step, unseen)
    changes = []
    for session in await sessions_of(q):
        for part in _shown(q, session):
            changes.append((part.started, 1))
            if part.ended is not None:
                changes.append((part.ended, -1))
    changes.sort()
    answer: list[tuple[datetime, int | None]] = []
    moment, running, i = window.start, 0, 0
    while moment <= window.end:
        while i < len(changes) and changes[i][0] <= moment:
            running += changes[i][1]
            i += 1
        gap = any(g.start < moment < g.end for g in unseen)
        answer.append((moment, None if gap else running))
        moment += step
    return answer


async def _hub_servers_at(
    q: Question, window: Interval, step: timedelta, unseen: list[Interval]
) -> list[tuple[datetime, int | None]]:
    """The whole hub's, as each poll has counted them."""
    polls = (
        await q.connection.execute(
            select(t.polls.c.time, t.polls.c.servers)
            .where(t.polls.c.whole, t.polls.c.time >= window.start, t.polls.c.time <= window.end)
            .order_by(t.polls.c.time)
        )
    ).all()
    answer: list[tuple[datetime, int | None]] = []
    moment, servers, i = window.start, None, 0
    while moment <= window.end:
        while i < len(polls) and polls[i].time <= moment:
            servers = polls[i].servers
            i += 1
        gap = any(g.start < moment < g.end for g in unseen)
        answer.append((moment, None if gap else servers))
        moment += step
    return answer
