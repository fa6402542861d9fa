"""Limits for stops: how many in any minute, and how many at once."""

import asyncio
from collections import deque

from common.clock import Clock

WINDOW_SECONDS = 60.0


class RateLimit:
    """A sliding-window limit of ``per_minute`` permits in any 60 s; 0 means no limit.

    Waiting callers are served in order.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._acquired: deque[float] = deque(maxlen=per_minute or None)
        self._order = asyncio.Lock()

    def wait_seconds(self) -> float:
        """How long a caller would wait now if no other caller were waiting."""
        if not self._per_minute or len(self._acquired) < self._per_minute:
            return 0.0
        return max(0.0, self._acquired[0] + WINDOW_SECONDS - self._clock.monotonic())

    async def acquire(self) -> None:
        """Wait for a permit and take it."""
        if not self._per_minute:
            return
        async with self._order:
            while (wait := self.wait_seconds()) > 0:
                await self._clock.sleep(wait)
            self._acquired.append(self._clock.monotonic())

    def give_back(self, permits: int = 1) -> None:
        """Return permits that were not used."""
        for _ in range(min(permits, len(self._acquired))):
            self._acquired.pop()


class Slot:
    """One of the places that bound concurrency; held by the caller, who has acquired ``slots``.

    It is released once: by its holder, or after ``max_seconds``.
    """

    def __init__(self, slots: asyncio.Semaphore, max_seconds: float) -> None:
        self._slots = slots
        self._held = True
        self._timer = asyncio.get_running_loop().call_later(max_seconds, self.release)

    def release(self) -> None:
        """Let another target start; further calls have no effect."""
        if self._held:
            self._held = False
            self._timer.cancel()
            self._slots.release()
