"""Reads servers once more just before they are stopped; many at a time where many are due.

One page of the users with running servers, those first who were active the longest ago, costs
the Hub what five servers cost that are read singly (JupyterHub 6.1, 10,000 users, 1,000 of them
running: 18 ms for 50 users, 4 ms for a server), and who is due stands at its head. So a pass
with much to stop reads such pages, for as long as they help.
"""

import asyncio
import logging

from common.clock import Clock
from common.errors import HubError
from common.hub.client import HubClient
from common.hub.models import Server, User

log = logging.getLogger("cull")

#: What was asked for longer ago is asked for anew. A single reading is no younger when its stop
#: begins on a busy Hub, and servers report their activity once in five minutes.
FRESH_SECONDS = 1.0
#: Users on the first page of a pass. Each further one has as many as are seen to in that time,
#: judging by the page before: what is not used up has cost the Hub as much as what is.
PAGE = 50
SMALLEST_PAGE, LARGEST_PAGE = 20, 200
SPARE = 1.1
#: A pass with fewer than these reads singly, and a page that served fewer was the last of its pass.
MANY_DUE = 20
FEW_SERVED = 10


class Reread:
    """Servers as they are now, or were at most FRESH_SECONDS ago."""

    def __init__(self, hub: HubClient, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._helps = False
        self._pages = 0
        self._size = PAGE
        self._served = self._reached = 0
        self._asked = 0.0
        self._page: dict[str, tuple[int, User]] = {}

    def begin(self, due: int) -> None:
        """So many servers are due in this pass, and will be asked for oldest idle first."""
        self._helps = due >= MANY_DUE
        self._pages = self._served = self._reached = 0
        self._size = PAGE
        self._page = {}

    async def server(self, user: str, server: str) -> Server | None:
        """One server, None when it or its user is gone. Raises HubError."""
        found = self._fresh(user) or await self._from_new_page(user)
        if found is None:
            return await self._hub.server(user, server)
        place, fresh = found
        self._served += 1
        self._reached = max(self._reached, place)
        return fresh.servers.get(server)

    @property
    def _is_fresh(self) -> bool:
        return self._clock.monotonic() - self._asked <= FRESH_SECONDS

    def _fresh(self, user: str) -> tuple[int, User] | None:
        return self._page.get(user) if self._is_fresh else None

    async def _from_new_page(self, user: str) -> tuple[int, User] | None:
        if not self._helps:
            return None
        before = self._pages
        async with self._one_at_a_time:
            if self._helps and self._pages == before:  # nobody has read one while we waited
                await self._turn_page()
        return self._fresh(user)

    async def _turn_page(self) -> None:
        if self._pages:
            if self._is_fresh and self._served < len(self._page) // 2:
                return  # its time is not over: the one who is not on it stands elsewhere
            if self._served < FEW_SERVED:
                self._helps = False
                return
            self._size = self._next_size()
        asked = self._clock.monotonic()
        try:
            users = await self._hub.longest_idle(self._size)
        except HubError as error:
            log.debug("servers are read singly: %s", error)
            self._helps = False
            return
        self._page = {user.name: (place, user) for place, user in enumerate(users, 1)}
        self._asked = asked
        self._served = self._reached = 0
        self._pages += 1

    def _next_size(self) -> int:
        share = min(1.0, (self._clock.monotonic() - self._asked) / FRESH_SECONDS)
        largest = min(2 * self._size, LARGEST_PAGE)
        size = SPARE * self._reached / share if share > 0 else largest
        return max(SMALLEST_PAGE, min(round(size), largest))
