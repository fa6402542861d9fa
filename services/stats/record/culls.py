"""A cull is not activity: telling what a user did from what a stop wrote. Pure.

When a server is stopped, JupyterHub sets the ``last_activity`` of its *user* to the time of the
stop, whether the user, an administrator or a culler stopped it. The server's own
``last_activity`` may move too while the stop is pending. Neither shows that the user was there,
so a stopped server never makes its user active:

- A running server's own ``last_activity`` counts, except while its stop is pending.
- When a server is gone, the user's new ``last_activity`` is the end of the session and nothing
  else.
- A user's new ``last_activity`` counts as a page view only if no server of theirs can have been
  stopped since the last poll.
"""

from datetime import datetime

from services.stats.record.observed import ServerSeen, UserSeen
from services.stats.records import Session


def reported_activity(server: ServerSeen) -> datetime | None:
    """The server's ``last_activity`` if the user can have caused it, else None."""
    return None if server.pending == "stop" else server.last_activity


def end_of_stopped(
    session: Session, new_activity: datetime | None, last_poll: datetime | None
) -> datetime:
    """When a server that is gone was stopped.

    That is the user's ``last_activity`` if it has moved since the last poll: the stop set it.
    Otherwise it is the last poll, which still saw the server.
    """
    return new_activity or last_poll or session.last_activity


def page_view(user: UserSeen, *, had_server: bool, after_gap: bool) -> datetime | None:
    """When the user opened a page of the Hub; None if a stop may have set the time.

    ``had_server``: a server of theirs, even a pending one, was seen by the last poll.
    ``after_gap``: so much time has passed since the last poll that a server may have been
    started and culled unseen. In a single interval only the user can have done both.
    """
    if had_server or after_gap or user.servers:
        return None
    return user.new_activity
