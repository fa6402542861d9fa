"""Re-reads servers just before they are stopped, one by one or a page at a time.

One page of the users with running servers, sorted by their last activity, costs the Hub as much
as five servers read one by one (JupyterHub 6.1, 10,000 users, 1,000 of them running: 18 ms for
50 users, 4 ms for a server), and the servers that are due are at its top. A pass that has many
servers to stop therefore reads such pages as long as this saves requests.
"""

import asyncio
import logging

from common.clock import Clock
from common.errors import HubError
from common.hub.client import HubClient
from common.hub.models import Server, User

log = logging.getLogger("cull")

#: For how long a page may be used. On a busy Hub, a single server is as old as this as well when
#: its stop begins, and servers report their activity only every five minutes.
FRESH_SECONDS = 1.0
#: Users on the first page of a pass. Each further page has as many as can be stopped while it is
#: fresh, judging by the page before: users that are not needed have cost the Hub just as much.
PAGE = 50
MIN_PAGE, MAX_PAGE = 20, 200
SPARE = 1.1
#: A pass with fewer due servers reads them one by one.
MANY_DUE = 20
#: If a page served fewer servers, the rest of the pass reads them one by one.
FEW_SERVED = 10


class Reread:
    """Returns servers as they are now, or as they were at most FRESH_SECONDS ago."""

    def __init__(self, hub: HubClient, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._page_lock = asyncio.Lock()
        self._use_pages = False
        self._pages = 0
        self._size = PAGE
        self._served = self._last_position = 0
        self._requested_at = 0.0
        self._page: dict[str, tuple[int, User]] = {}

    def begin(self, due: int) -> None:
        """Start a pass that re-reads about this many servers, longest idle first."""
        self._use_pages = due >= MANY_DUE
        self._pages = self._served = self._last_position = 0
        self._size = PAGE
        self._page = {}

    async def server(self, user: str, server: str) -> Server | None:
        """A server; None if it or its user is gone. Raises HubError."""
        found = self._on_page(user) or await self._on_new_page(user)
        if found is None:
            return await self._hub.server(user, server)
        position, fresh = found
        self._served += 1
        self._last_position = max(self._last_position, position)
        return fresh.servers.get(server)

    @property
    def _is_fresh(self) -> bool:
        return self._clock.monotonic() - self._requested_at <= FRESH_SECONDS

    def _on_page(self, user: str) -> tuple[int, User] | None:
        return self._page.get(user) if self._is_fresh else None

    async def _on_new_page(self, user: str) -> tuple[int, User] | None:
        if not self._use_pages:
            return None
        before = self._pages
        async with self._page_lock:
            if self._use_pages and self._pages == before:  # else another stop has just read one
                await self._read_page()
        return self._on_page(user)

    async def _read_page(self) -> None:
        if self._pages:
            if self._is_fresh and self._served < len(self._page) // 2:
                return  # the page is still useful; this one user is further down
            if self._served < FEW_SERVED:
                self._use_pages = False
                return
            self._size = self._next_size()
        requested_at = self._clock.monotonic()
        try:
            users = await self._hub.longest_idle(self._size)
        except HubError as error:
            log.debug("servers are re-read one by one: %s", error)
            self._use_pages = False
            return
        self._page = {user.name: (position, user) for position, user in enumerate(users, 1)}
        self._requested_at = requested_at
        self._served = self._last_position = 0
        self._pages += 1

    def _next_size(self) -> int:
        age = self._clock.monotonic() - self._requested_at
        share = min(1.0, age / FRESH_SECONDS)
        largest = min(2 * self._size, MAX_PAGE)
        size = SPARE * self._last_position / share if share > 0 else largest
        return max(MIN_PAGE, min(round(size), largest))
