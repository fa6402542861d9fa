"""A cull is not activity: telling what a user did from what a stop wrote. Pure.

When a server is stopped, JupyterHub sets the ``last_activity`` of its *user* to the time of the
stop, whether the user, an administrator or a culler stopped it. The server's own
``last_activity`` may move too while the stop is pending. Neither shows that the user was there,
so a stopped server never makes its user active:

- A running server's own ``last_activity`` counts, except while its stop is pending.
- When a server is gone, the user's new ``last_activity`` is the end of the session and nothing
  else.
- A user's new ``last_activity`` shows that they were at the Hub only if no server of theirs, as far
  as the last poll saw, can have been stopped since.
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


def presence(user: UserSeen, *, had_server: bool) -> datetime | None:
    """When the user was at the Hub without a server; None if a stop may have set the time.

    They opened a page of the Hub. After a gap they may also have worked in a server that was
    stopped before it could be seen.
    ``had_server``: a server of theirs, even a pending one, was seen by the last poll.
    """
    if had_server or user.servers:
        return None
    return user.new_activity
