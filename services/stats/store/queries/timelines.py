"""One user's timeline, and running servers over time."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from services.stats.intervals import Interval
from services.stats.query.access import Individual, WholeHub
from services.stats.query.timeline import Timeline
from services.stats.records import Session
from services.stats.store import tables as t
from services.stats.store.daily.rollup import is_work
from services.stats.store.queries.observation import gaps
from services.stats.store.queries.selection import Selection
from services.stats.store.queries.sessions import activity_of, sessions_of


async def timeline(selection: Selection) -> Timeline:
    """The user's timeline, as far as it may be shown."""
    audience = selection.audience
    if selection.span is None or not selection.windows or not isinstance(audience, Individual):
        return Timeline(None)
    (user_id,) = selection.windows
    names = await selection.connection.execute(select(t.profiles))
    activity = await activity_of(selection, user_id)
    sessions = await sessions_of(selection)
    return Timeline(
        person=await selection.person(audience),
        sessions=[part for session in sessions for part in _visible_parts(selection, session)],
        profiles={row.id: row.name for row in names},
        work=[
            part
            for interval in activity
            if is_work(interval, sessions)
            for part in selection.visible_parts(user_id, interval)
        ],
        gaps=await gaps(selection),
    )


def _visible_parts(selection: Selection, session: Session) -> list[Session]:
    """The session, cut at the ends of a membership."""
    now = selection.span.last_poll if selection.span else session.last_activity
    run = Interval(session.started, max(session.ended or now, session.started))
    parts = selection.visible_parts(session.user_id, run)
    if parts == [run]:
        return [session]
    return [
        session._replace(
            started=part.start,
            # When they worked before they joined is not shown either.
            last_activity=min(max(session.last_activity, part.start), part.end),
            ended=None if session.ended is None and part.end == run.end else part.end,
        )
        for part in parts
    ]


async def servers_at(selection: Selection, points: int) -> list[tuple[datetime, int | None]]:
    """Running servers at about ``points`` moments, a minute or more apart; None in a gap."""
    if selection.span is None or selection.empty:
        return []
    window = selection.window
    window = Interval(window.start, min(window.end, selection.span.last_poll))
    if isinstance(selection.audience, WholeHub):
        steps = await _polled_servers(selection, window)
    else:
        steps = await _session_steps(selection)
    unobserved = await gaps(selection)
    answer: list[tuple[datetime, int | None]] = []
    # Before its first poll the number of the hub's servers is unknown; a user's starts at none.
    servers: int | None = None if isinstance(selection.audience, WholeHub) else 0
    i = 0
    for moment in _moments(window, points):
        while i < len(steps) and steps[i][0] <= moment:
            servers = steps[i][1]
            i += 1
        gap = any(g.start < moment < g.end for g in unobserved)
        answer.append((moment, None if gap else servers))
    return answer


def _moments(window: Interval, points: int) -> Iterator[datetime]:
    step = timedelta(seconds=max(60, window.seconds // max(points, 1)))
    moment = window.start
    while moment <= window.end:
        yield moment
        moment += step


async def _polled_servers(
    selection: Selection, window: Interval
) -> Sequence[tuple[datetime, int | None]]:
    """The number of the hub's servers from each poll on."""
    query = (
        select(t.polls.c.time, t.polls.c.servers)
        .where(t.polls.c.whole, t.polls.c.time >= window.start, t.polls.c.time <= window.end)
        .order_by(t.polls.c.time)
    )
    return [(row.time, row.servers) for row in await selection.connection.execute(query)]


async def _session_steps(selection: Selection) -> Sequence[tuple[datetime, int | None]]:
    """The number of the audience's servers from each start or stop on."""
    changes = []
    for session in await sessions_of(selection):
        for part in _visible_parts(selection, session):
            changes.append((part.started, 1))
            if part.ended is not None:
                changes.append((part.ended, -1))
    running = 0
    steps: list[tuple[datetime, int | None]] = []
    for moment, change in sorted(changes):
        running += change
        steps.append((moment, running))
    return steps
