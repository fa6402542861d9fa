"""Idle servers that something else stops, such as a second culler. Pure.

Users stop servers of their own, too, and so does a node that fails: those are single servers, or
servers in use as well as idle ones. A culler takes idle ones only, of several users.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from common.hub.models import Server

IDLE_FOR = timedelta(minutes=10)
"""A server that has been idle for less may have been stopped by its user."""
ENOUGH = 3
"""As many users lost idle servers between two listings."""
DAY = timedelta(days=1)

ServerKey = tuple[str, str]
"""User name and server name."""


class ForeignStops:
    """Compares each complete listing with the one before it."""

    def __init__(self) -> None:
        self._idle: set[ServerKey] = set()
        self._active: set[ServerKey] = set()
        self._next_idle: set[ServerKey] = set()
        self._next_active: set[ServerKey] = set()
        self._seen: set[ServerKey] = set()
        self._stopped: deque[tuple[datetime, int]] = deque()
        self._warned: datetime | None = None
        self.total = 0
        """How many servers were stopped by something else, since the start."""

    def begin(self) -> None:
        """A listing begins."""
        self._next_idle, self._next_active, self._seen = set(), set(), set()

    def add(self, user: str, server: Server, now: datetime) -> None:
        """Add a running server of the listing; ``now`` is the Hub's time."""
        key = user, server.name
        self._seen.add(key)
        if not server.ready or server.pending or server.problems:
            return
        active = server.last_activity or server.started
        if active is not None:
            idle = now - active >= IDLE_FOR
            (self._next_idle if idle else self._next_active).add(key)

    def end(self, own: Iterable[ServerKey], now: datetime, *, comparable: bool) -> int:
        """How many servers something else has stopped since the last listing; mostly 0.

        ``own`` are servers that the culler may stop in this pass; those are not counted next time.
        Without ``comparable``, as after a restart of the Hub, nothing is concluded.
        """
        gone = self._idle - self._seen
        in_use = len(self._active - self._seen)
        self._idle, self._active = self._next_idle - set(own), self._next_active
        self.begin()
        users = {user for user, _ in gone}
        if not comparable or len(users) < ENOUGH or in_use >= len(gone):
            return 0
        self.total += len(gone)
        self._stopped.append((now, len(gone)))
        return len(gone)

    def forget(self) -> None:
        """An incomplete listing shows nothing, and servers may have changed a lot meanwhile."""
        self._idle, self._active = set(), set()
        self.begin()

    def should_warn(self, now: datetime) -> bool:
        """Whether the last warning was more than a day ago; if so, this counts as one."""
        if self._warned is not None and now - self._warned < DAY:
            return False
        self._warned = now
        return True

    def today(self, now: datetime) -> int:
        """How many servers something else has stopped in the last 24 hours."""
        while self._stopped and now - self._stopped[0][0] >= DAY:
            self._stopped.popleft()
        return sum(count for _, count in self._stopped)


def in_words(stopped: int) -> str:
    """The warning for the log and for administrators."""
    return (
        f"{stopped} idle servers were stopped by something else. If jupyterhub-idle-culler runs,"
        " too, it ignores holds and rules; servers with their own shutdown_no_activity_timeout look"
        " the same."
    )
