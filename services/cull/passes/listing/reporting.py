"""Whether servers report their activity to the Hub at all. Pure.

When a server starts, the Hub sets its last activity to exactly the start. Each server reports its
own start a few seconds later and then every 5 minutes, and the proxy reports when a user's request
passed. If all servers that have run for a while still have the time of their start, none of this
reaches the Hub, and servers in use look idle, too.
"""

from datetime import datetime, timedelta

from common.hub.models import Server

LONG_ENOUGH = timedelta(minutes=20)
"""A server that has run for this long has reported several times."""


class Reporting:
    """Looks at all running servers of a listing, one after the other."""

    def __init__(self) -> None:
        self._reported = False
        self.silent = 0
        """Servers that have run for long enough and never reported any activity."""

    def add(self, server: Server, now: datetime) -> None:
        """Take a server into account; ``now`` is the Hub's time."""
        if not server.ready or server.started is None or "last_activity" in server.problems:
            return
        if server.last_activity is not None and server.last_activity != server.started:
            self._reported = True
        elif now - server.started >= LONG_ENOUGH:
            self.silent += 1

    @property
    def is_missing(self) -> bool:
        """Whether no server reports, so that nothing is known about any of them."""
        return self.silent > 0 and not self._reported
