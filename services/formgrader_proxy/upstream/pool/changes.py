"""Lets several tasks wait until anything about the formgraders changes."""

import asyncio
from contextlib import suppress


class Changes:
    """A change releases everyone who waits for one."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def notify(self) -> None:
        """Something has changed."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the next change, at most for this long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._next.wait()
