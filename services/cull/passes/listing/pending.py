"""Servers that start or stop for too long, which only an administrator can resolve. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

STUCK_AFTER = timedelta(hours=1)
"""No spawner takes this long: the Hub, or what runs the server, has lost track of it."""

ServerKey = tuple[str, str]
"""User name and server name."""


class Pending:
    """Remembers since when each server has been pending."""

    def __init__(self) -> None:
        self._since: dict[ServerKey, datetime] = {}
        self._reported: set[ServerKey] = set()

    def update(self, pending: Iterable[ServerKey], now: datetime) -> list[ServerKey]:
        """All servers of a complete listing that are pending; returns those newly stuck, by name.

        ``now`` is the Hub's time.
        """
        self._since = {key: self._since.get(key, now) for key in pending}
        stuck = {key for key, since in self._since.items() if now - since >= STUCK_AFTER}
        fresh, self._reported = stuck - self._reported, stuck
        return sorted(fresh)

    @property
    def stuck(self) -> int:
        """How many servers have been pending for too long."""
        return len(self._reported)
