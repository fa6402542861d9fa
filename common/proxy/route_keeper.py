"""Keeps one route of the proxy alive for as long as we live."""

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from common.clock import Clock, SystemClock
from common.errors import ProxyError, RouteTaken
from common.hub.models import Route
from common.proxy.client import ProxyClient

log = logging.getLogger(__name__)


class RouteEvent(StrEnum):
    """What became of the route; a closed set, used as a metric label."""

    ADDED = "added"
    RESTORED = "restored"
    TAKEN_OVER = "taken_over"
    TAKEN = "taken"
    PROXY_AWAY = "proxy_away"
    REMOVED = "removed"


OnEvent = Callable[[RouteEvent, ProxyError | None], None]

#: The most that an exit waits for the proxy. Services are to be gone within 10 s.
REMOVE_SECONDS = 4.0
_CONNECT_SECONDS = 2.0


class RouteKeeper:
    """``async with RouteKeeper(...)``: the route is there, and is put back when it goes.

    A proxy that restarts has forgotten every route but the Hub's. So we look every
    ``interval`` seconds (2 by default: a route is back within 5 s of the restart). A route
    that leads elsewhere is somebody else's: it is reported and never overwritten, and ours
    is tried again until that one is gone. At exit our own route is removed.

    ``data`` is kept with the route and marks it as ours. A route that a former run left
    behind when it was killed has the same mark, and nobody listens at its target: it is taken
    over. One at whose target somebody listens stays theirs, whatever its mark.
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
        self._last: tuple[RouteEvent, str] | None = None
        self._was_there = False
        self._task: asyncio.Task[None] | None = None

    @property
    def there(self) -> bool:
        """Whether the route was ours at the last look."""
        return self._last is not None and self._last[0] in _THERE

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
        """Look once, and put the route back if its place is free. Raises no ProxyError."""
        try:
            found = await self._client.route(self.path)
            if found is None:
                event = RouteEvent.RESTORED if self._was_there else RouteEvent.ADDED
            elif found.target == self.target:
                event = RouteEvent.ADDED
            elif await self._left_behind(found):
                event = RouteEvent.TAKEN_OVER
            else:
                why = f"the route {self.path} leads to {found.target}, not to us"
                self._tell(RouteEvent.TAKEN, RouteTaken(why))
                return
            if found is None or found.target != self.target:
                await self._client.add(self.path, self.target, self._data)
                self._last = None  # what is put back each time is told each time
        except ProxyError as error:
            self._tell(RouteEvent.PROXY_AWAY, error)
            return
        if not self.there:
            self._tell(event, None)
        self._was_there = True

    async def _left_behind(self, found: Route) -> bool:
        ours = all(found.data.get(key) == value for key, value in self._data.items())
        return bool(self._data) and ours and await _refuses(found.target)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            try:
                await self.check()
            except Exception:  # a route must not be lost to an observer's mistake
                log.exception("route %s: the check failed", self.path)

    async def _remove(self) -> None:
        try:
            async with asyncio.timeout(REMOVE_SECONDS):
                found = await self._client.route(self.path)
                if found is None or found.target != self.target:
                    return
                await self._client.remove(self.path)
        except (ProxyError, TimeoutError) as error:
            log.warning("the route %s could not be removed: %s", self.path, error or "no answer")
            return
        self._tell(RouteEvent.REMOVED, None)

    def _tell(self, event: RouteEvent, error: ProxyError | None) -> None:
        """Report a change, once until it changes again."""
        # The proxy's being away is one event, in whatever words; each foreign target is another.
        now = (event, str(error) if event is RouteEvent.TAKEN else "")
        if now == self._last:
            return
        self._last = now
        if error is None:
            log.info("route %s to %s: %s", self.path, self.target, event)
        else:
            log.warning("route %s: %s", self.path, error)
        self._on_event(event, error)


_THERE = frozenset({RouteEvent.ADDED, RouteEvent.RESTORED, RouteEvent.TAKEN_OVER})


async def _refuses(target: str) -> bool:
    """Whether connections to a route's target are refused; no answer at all is not that."""
    try:
        parts = urlsplit(target)
        async with asyncio.timeout(_CONNECT_SECONDS):
            if parts.scheme.endswith("+unix"):
                _, writer = await asyncio.open_unix_connection(unquote(parts.netloc))
            else:
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except (OSError, ValueError, TimeoutError):
        return False
    writer.close()
    return False
