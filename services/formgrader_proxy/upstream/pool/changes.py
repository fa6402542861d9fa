"""Lets several tasks wait until anything about the formgraders changes."""

import asyncio
from contextlib import suppress


class Changes:
    """A change releases everyone who waits for one."""

    def __init__(self) -> None:
        self._next = asyncio.Event()
        self._waiting = 0

    def notify(self) -> None:
        """Something has changed."""
        if self._waiting:
            self._next.set()
            self._next = asyncio.Event()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the next change, at most for this long."""
        self._waiting += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._next.wait()
        finally:
            self._waiting -= 1
