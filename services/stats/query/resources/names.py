"""Whose server a pod or container is. Pure.

Nothing is guessed: a name belongs to a user only if it is exactly what a spawner makes of the
name of one of their servers, and of no other known user's.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from services.stats.query.resources.slugs import Spawned, names


class KnownUser(NamedTuple):
    """An account, and the first and last day on which it existed as far as is known."""

    id: int
    name: str
    first: date
    last: date
    servers: frozenset[str] = frozenset()
    """Its named servers."""


class ServerName(NamedTuple):
    """How Prometheus names a server: its pod or container and, if known, its user."""

    name: str
    user: str = ""
    """The user's own name, where a label has it; it is then used instead of ``name``."""


class Owners:
    """Finds the owner of a server by its name, among the known users."""

    def __init__(self, users: Iterable[KnownUser], spawned: Spawned, prefix: str) -> None:
        self._by_user: dict[str, list[KnownUser]] = {}
        self._by_name: dict[str, list[KnownUser]] = {}
        for user in users:
            self._by_user.setdefault(user.name, []).append(user)
            made = {
                one
                for server in ("", *user.servers)
                for one in names(spawned, prefix, user.name, server)
            }
            for one in made:
                self._by_name.setdefault(one, []).append(user)
        for found in self._by_name.values():
            # Whether or not both existed at the time: the first days are not certain.
            if any(user.name != found[0].name for user in found):
                found.clear()

    def of(self, server: ServerName, day: date) -> int | None:
        """The id of the account that certainly owned the server on this day, or None."""
        candidates: Sequence[KnownUser]
        if server.user:
            candidates = self._by_user.get(server.user, ())
        else:
            candidates = self._by_name.get(server.name, ())
        owner = None
        for user in candidates:
            if user.first <= day <= user.last:
                if owner is not None:
                    return None
                owner = user.id
        return owner
