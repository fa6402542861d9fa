"""The culler's own stops, which must not count as activity of the user.

When a server stops, the Hub sets its user's last activity to the end of the stop. Without this
record a user whose idle server was culled would look active and would not be deleted.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from common.hub.models import User

#: The most recent users to remember. A user who is forgotten is only deleted later.
MAX_USERS = 20_000
#: The Hub's ``Date`` header has whole seconds, and the response takes a moment to arrive.
_RESOLUTION = timedelta(seconds=2)


class _OwnStop(NamedTuple):
    """``activity`` is the user's last activity before the stop; the stop ended by ``until``."""

    activity: datetime | None
    until: datetime


class OwnStops:
    """Remembers each user's last activity before the culler stopped a server of theirs.

    ``now`` returns the Hub's time.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._by_user: dict[str, _OwnStop] = {}

    def corrected(self, user: User) -> User:
        """The user with the last activity they would have without the culler's stop.

        Activity later than the stop is the user's own and is kept.
        """
        own = self._by_user.get(user.name)
        if own is None or user.last_activity is None or user.last_activity > own.until:
            return user
        return replace(user, last_activity=own.activity)

    def stopped(self, user: str, activity: datetime | None) -> None:
        """Record a stop that the Hub has just confirmed or accepted."""
        self._by_user.pop(user, None)
        self._by_user[user] = _OwnStop(activity, self._now() + _RESOLUTION)
        if len(self._by_user) > MAX_USERS:
            self._by_user.pop(next(iter(self._by_user)))

    def finished(self, user: str) -> None:
        """Extend the record to now: a slow stop of the user's server has ended.

        The Hub dates the activity to the end of the stop, which lies between two polls.
        """
        own = self._by_user.get(user)
        if own is not None:
            self.stopped(user, own.activity)

    def forget(self, user: str) -> None:
        """Forget a user who was deleted."""
        self._by_user.pop(user, None)
