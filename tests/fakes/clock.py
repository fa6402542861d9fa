"""A clock that only advances when a test advances it."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class FakeClock:
    """Wall clock and monotonic clock in one. Sleepers wake when the time advances past their end.

    With ``skip`` a sleep takes no real time: the clock jumps to its end. Use it if the waits are
    not what is tested.
    """

    def __init__(self, start: datetime = START, *, skip: bool = False) -> None:
        self.start = start
        self.elapsed = 0.0
        self.skip = skip
        self.slept: list[float] = []
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.skip:
            self.elapsed += max(0.0, seconds)
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.elapsed + seconds, next(self._order), future))
        await future

    def advance(self, seconds: float) -> None:
        """Advance the time and wake the sleepers that are due."""
        self.elapsed += seconds
        while self._sleepers and self._sleepers[0][0] <= self.elapsed:
            *_, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    @property
    def sleepers(self) -> int:
        """The number of current sleepers."""
        return sum(not future.done() for *_, future in self._sleepers)
