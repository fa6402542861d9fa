"""The raw records of a selection: sessions and activity."""

from collections import deque
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import select

from services.stats.intervals import Interval
from services.stats.query.access import Members
from services.stats.records import LONGEST, Session
from services.stats.store import tables as t
from services.stats.store.daily.rollup import SAVES_AT_MOST
from services.stats.store.mapping import session_of
from services.stats.store.queries.selection import Selection


async def sessions_of(selection: Selection, before: timedelta = timedelta()) -> list[Session]:
    """The sessions of the group's members or of the user, by start, that ran on these days.

    ``before``: include those that ended in this time before them.
    """
    window = selection.window
    query = select(t.sessions).where(
        t.sessions.c.started < window.end, t.sessions.c.ended > window.start - before
    )
    if isinstance(selection.audience, Members):
        members = select(t.memberships.c.user_id).where(
            t.memberships.c.group_id == selection.group_id
        )
        query = query.where(t.sessions.c.user_id.in_(members))
    else:
        query = query.where(t.sessions.c.user_id.in_(list(selection.windows or ())))
    rows = await selection.connection.execute(query.order_by(t.sessions.c.started))
    return [session_of(row) for row in rows]


async def activity_of(selection: Selection, user_id: int) -> list[Interval]:
    """When the user worked in a server, by start. May include the hours before the first day."""
    window = selection.window
    query = select(t.activity.c.start, t.activity.c.seconds).where(
        t.activity.c.start < window.end,
        t.activity.c.start >= window.start - LONGEST,
        t.activity.c.user_id == user_id,
    )
    rows = await selection.connection.execute(query.order_by(t.activity.c.start))
    return [Interval(row.start, row.start + timedelta(seconds=row.seconds)) for row in rows]


class ByDay:
    """One user's records, a day at a time: with all of them, years of days would take minutes."""

    def __init__(self, sessions: Iterable[Session], activity: Iterable[Interval]) -> None:
        """Both by start."""
        self._later_sessions, self._later_activity = deque(sessions), deque(activity)
        self._sessions: list[Session] = []
        self._activity: list[Interval] = []

    def of(self, window: Interval) -> tuple[list[Session], list[Interval]]:
        """What ``roll_up`` needs of a day. Each day must be later than the one before it."""
        sessions, activity = [*self._sessions], [*self._activity]
        while self._later_sessions and self._later_sessions[0].started < window.end:
            sessions.append(self._later_sessions.popleft())
        while self._later_activity and self._later_activity[0].start < window.end:
            activity.append(self._later_activity.popleft())
        credited = window.start - SAVES_AT_MOST
        self._sessions = [s for s in sessions if s.ended is None or s.ended > credited]
        self._activity = [one for one in activity if one.end >= window.start]
        return self._sessions, self._activity
