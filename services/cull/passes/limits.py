"""At most so many stops in any minute."""

import asyncio
from collections import deque

from common.clock import Clock

MINUTE = 60.0


class Rate:
    """Hands out turns, at most ``per_minute`` in any 60 s; 0 is no limit.

    Those who wait come in the order in which they asked.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._taken: deque[float] = deque(maxlen=per_minute or None)
        self._order = asyncio.Lock()

    def wait_seconds(self) -> float:
        """How long whoever asks now, and nobody before them, has to wait."""
        if not self._per_minute or len(self._taken) < self._per_minute:
            return 0.0
        return max(0.0, self._taken[0] + MINUTE - self._clock.monotonic())

    async def turn(self) -> None:
        """Wait for a turn and take it."""
        if not self._per_minute:
            return
        async with self._order:
            while (wait := self.wait_seconds()) > 0:
                await self._clock.sleep(wait)
            self._taken.append(self._clock.monotonic())

    def give_back(self) -> None:
        """Return a turn that came to nothing."""
        if self._taken:
            self._taken.pop()
