"""Keeps one route of the proxy alive for as long as we live."""

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Self

from common.clock import Clock, SystemClock
from common.errors import ProxyError, RouteTaken
from common.proxy import ProxyClient

log = logging.getLogger(__name__)


class RouteEvent(StrEnum):
    """What became of the route; a closed set, used as a metric label."""

    ADDED = "added"
    RESTORED = "restored"
    TAKEN = "taken"
    PROXY_AWAY = "proxy_away"
    REMOVED = "removed"


OnEvent = Callable[[RouteEvent, ProxyError | None], None]


class RouteKeeper:
    """``async with RouteKeeper(...)``: the route is there, and is put back when it goes.

    A proxy that restarts has forgotten every route but the Hub's. So we look every
    ``interval`` seconds (2 by default: a route is back within 5 s of the restart). A route
    that leads elsewhere is somebody else's: it is reported and never overwritten, and ours
    is tried again until that one is gone. At exit our own route is removed.
    """

    def __init__(
        self,
        client: ProxyClient,
        path: str,
        target: str,
        *,
        data: dict[str, Any] | None = None,
        interval: float = 2.0,
        clock: Clock | None = None,
        on_event: OnEvent = lambda event, error: None,
    ) -> None:
        self.path = path
        self.target = target
        self._client = client
        self._data = data or {}
        self._interval = interval
        self._clock = clock or SystemClock()
        self._on_event = on_event
        self._last: RouteEvent | None = None
        self._was_there = False
        self._task: asyncio.Task[None] | None = None

    @property
    def there(self) -> bool:
        """Whether the route was ours at the last look."""
        return self._last in {RouteEvent.ADDED, RouteEvent.RESTORED}

    async def __aenter__(self) -> Self:
        await self.check()
        self._task = asyncio.create_task(self._run(), name=f"route {self.path}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._remove()

    async def check(self) -> None:
        """Look once, and put the route back if its place is free. Never raises."""
        try:
            found = await self._client.route(self.path)
            if found is not None and found.target != self.target:
                self._tell(
                    RouteEvent.TAKEN,
                    RouteTaken(f"the route {self.path} leads to {found.target}, not to us"),
                )
                return
            if found is None:
                await self._client.add(self.path, self.target, self._data)
        except ProxyError as error:
            self._tell(RouteEvent.PROXY_AWAY, error)
            return
        if found is None:
            self._last = None  # put back each time is told each time
            self._tell(RouteEvent.RESTORED if self._was_there else RouteEvent.ADDED, None)
        elif not self.there:
            self._tell(RouteEvent.ADDED, None)
        self._was_there = True

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            await self.check()

    async def _remove(self) -> None:
        try:
            found = await self._client.route(self.path)
            if found is not None and found.target == self.target:
                await self._client.remove(self.path)
                self._tell(RouteEvent.REMOVED, None)
        except ProxyError as error:
            log.warning("the route %s could not be removed: %s", self.path, error)

    def _tell(self, event: RouteEvent, error: ProxyError | None) -> None:
        """Report a change, once until it changes again."""
        if event is self._last:
            return
        self._last = event
        if error is None:
            log.info("route %s to %s: %s", self.path, self.target, event)
        else:
            log.warning("route %s: %s", self.path, error)
        self._on_event(event, error)
