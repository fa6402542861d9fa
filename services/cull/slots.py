"""So many at a time, and none for ever."""

import asyncio


class Slot:
    """A place among those at work. It comes free when released, or when its time is up."""

    def __init__(self, free: asyncio.Semaphore, seconds: float) -> None:
        self._free: asyncio.Semaphore | None = free
        self._timer = asyncio.get_running_loop().call_later(seconds, self.release)

    def release(self) -> None:
        """Let somebody else have it; a second time does nothing."""
        free, self._free = self._free, None
        if free is not None:
            self._timer.cancel()
            free.release()


class Slots:
    """``width`` slots. Who takes longer than ``seconds`` goes on without one.

    So ten requests that hang hold up nobody else for longer than that.
    """

    def __init__(self, width: int, seconds: float) -> None:
        self._width = width
        self._seconds = seconds
        self._free = asyncio.Semaphore(width)

    async def take(self) -> Slot:
        """Wait for a free slot."""
        await self._free.acquire()
        return Slot(self._free, self._seconds)

    async def all_free(self) -> None:
        """Wait until nobody is at work, or all that are have run out of their time."""
        for _ in range(self._width):
            await self._free.acquire()
        for _ in range(self._width):
            self._free.release()
