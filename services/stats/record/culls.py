"""A cull is not activity: telling what a user did from what a stop wrote. Pure.

When a server is stopped, JupyterHub sets the ``last_activity`` of its *user* to the time of the
stop, whether the user, an administrator or a culler stopped it. The server's own
``last_activity`` may move too while the stop is pending. Neither shows that the user was there,
so a stopped server never makes its user active:

- A running server's own ``last_activity`` counts, except while its stop is pending.
- When a server is gone, the user's new ``last_activity`` is the end of the session and nothing
  else, unless another server of the user explains it: a start, and a report of activity, set both
  times. Then, and if several servers are gone, it is only known that the last poll saw them.
- A user's new ``last_activity`` shows that they were at the Hub only if no server of theirs, as far
  as the last poll saw, can have been stopped since.
"""

from datetime import datetime, timedelta

from services.stats.record.observed import ServerSeen, UserSeen
from services.stats.records import Session

SECOND = timedelta(seconds=1)
"""The times of polls are whole seconds."""


def reported_activity(server: ServerSeen) -> datetime | None:
    """The server's ``last_activity`` if the user can have caused it, else None."""
    return None if server.pending == "stop" else server.last_activity


def end_of_stopped(
    session: Session, new_activity: datetime | None, last_poll: datetime | None
) -> datetime:
    """When a server that is gone was stopped.

    That is the user's ``last_activity`` if the stop has moved it (see :func:`stopped_at`).
    Otherwise it is the latest time at which the server is known to have run: the last poll.
    """
    return new_activity or last_poll or session.last_activity


def stopped_at(user: UserSeen) -> datetime | None:
    """The time that the stop of a server of the user has set; None if it is not known."""
    moved = user.new_activity
    if moved is None:
        return None
    times = (time for server in user.servers for time in (server.started, server.last_activity))
    explained = any(time is not None and abs(time - moved) <= SECOND for time in times)
    return None if explained else moved


def presence(user: UserSeen, *, had_server: bool) -> datetime | None:
    """When the user was at the Hub without a server; None if a stop may have set the time.

    They opened a page of the Hub. After a gap they may also have worked in a server that was
    stopped before it could be seen.
    ``had_server``: a server of theirs, even a pending one, was seen by the last poll.
    """
    if had_server or user.servers:
        return None
    return user.new_activity
