"""Keeps one route in the proxy while a service runs."""

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
    """What happened to the route; a closed set, used as a metric label."""

    ADDED = "added"
    RESTORED = "restored"
    TAKEN_OVER = "taken_over"
    TAKEN = "taken"
    PROXY_AWAY = "proxy_away"
    REMOVED = "removed"


OnEvent = Callable[[RouteEvent, ProxyError | None], None]

#: The longest wait for the proxy at exit. Services must exit within 10 s.
REMOVE_SECONDS = 4.0
_CONNECT_SECONDS = 2.0


class RouteKeeper:
    """``async with RouteKeeper(...)`` adds a route, restores it when it is lost, and removes it.

    A proxy that restarts loses every route except the Hub's. Therefore the route is checked every
    ``interval`` seconds (2 by default, so that it is back within 5 s of a restart). A route to
    another target is reported and never overwritten; the route is added once that one is gone.

    ``data`` is stored with the route and marks it. A route with the same mark whose target refuses
    connections is left over from a killed process and is taken over. A route whose target accepts
    connections is kept, whatever its mark.
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
        self._was_active = False
        self._task: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether the route led to the target at the last check."""
        return self._last is not None and self._last[0] in _ACTIVE

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
        """Check once, and add the route if there is none. Raises no ProxyError."""
        try:
            found = await self._client.route(self.path)
            if found is None:
                event = RouteEvent.RESTORED if self._was_active else RouteEvent.ADDED
            elif found.target == self.target:
                event = RouteEvent.ADDED
            elif await self._is_stale(found):
                event = RouteEvent.TAKEN_OVER
            else:
                why = f"the route {self.path} leads to {found.target}"
                self._report(RouteEvent.TAKEN, RouteTaken(why))
                return
            if found is None or found.target != self.target:
                await self._client.add(self.path, self.target, self._data)
                self._last = None  # every addition is reported
        except ProxyError as error:
            self._report(RouteEvent.PROXY_AWAY, error)
            return
        if not self.active:
            self._report(event, None)
        self._was_active = True

    async def _is_stale(self, found: Route) -> bool:
        """Whether a killed process left the route behind: it has the mark, but no listener."""
        marked = all(found.data.get(key) == value for key, value in self._data.items())
        return bool(self._data) and marked and await _refuses_connections(found.target)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._interval)
            try:
                await self.check()
            except Exception:  # a bug in on_event must not end the checks
                log.exception("route %s: the check failed", self.path)

    async def _remove(self) -> None:
        try:
            async with asyncio.timeout(REMOVE_SECONDS):
                found = await self._client.route(self.path)
                if found is None or found.target != self.target:
                    return
                await self._client.remove(self.path)
        except (ProxyError, TimeoutError) as error:
            log.warning("the route %s was not removed: %s", self.path, str(error) or "no response")
            return
        self._report(RouteEvent.REMOVED, None)

    def _report(self, event: RouteEvent, error: ProxyError | None) -> None:
        """Report an event, unless it is the same as the last one."""
        # An unavailable proxy is one event, whatever the reason; each other target is another.
        now = (event, str(error) if event is RouteEvent.TAKEN else "")
        if now == self._last:
            return
        self._last = now
        if error is None:
            log.info("route %s to %s: %s", self.path, self.target, event)
        else:
            log.warning("route %s: %s", self.path, error)
        self._on_event(event, error)


_ACTIVE = frozenset({RouteEvent.ADDED, RouteEvent.RESTORED, RouteEvent.TAKEN_OVER})


async def _refuses_connections(target: str) -> bool:
    """Whether a route's target refuses connections. A target that does not respond does not."""
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
