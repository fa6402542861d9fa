"""Runs something again and again, never two at once."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from common.clock import Clock, SystemClock

log = logging.getLogger(__name__)


class Ticker:
    """Calls ``run`` every ``period_seconds``, counted from start to start.

    A run that outlasts the period is followed by the next after a full period: they never
    overlap. Each pause varies by ``jitter`` (a share of the period), so that several
    services do not fall upon the Hub in the same moment. A run that raises is logged, and
    the next one comes.
    """

    def __init__(
        self,
        period_seconds: float,
        run: Callable[[], Awaitable[object]],
        *,
        jitter: float = 0.1,
        clock: Clock | None = None,
    ) -> None:
        self.period_seconds = period_seconds
        self._run = run
        self._jitter = jitter
        self._clock = clock or SystemClock()
        self._stopping = False
        self._wake = asyncio.Event()

    async def run_forever(self) -> None:
        """Run until :meth:`stop`; the first run is at once."""
        while not self._stopping:
            started = self._clock.monotonic()
            try:
                await self._run()
            except Exception:
                log.exception("a run failed; the next one comes in its time")
            await self._pause(self._clock.monotonic() - started)

    def wake(self) -> None:
        """Run again now, or as soon as the present run is over."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no further run."""
        self._stopping = True
        self._wake.set()

    def pause_after(self, took: float) -> float:
        """Seconds until the next run, after one that took so many."""
        left = self.period_seconds - took
        if left <= 0:
            left = self.period_seconds
        spread = self.period_seconds * self._jitter
        return max(0.0, left + random.uniform(-spread, spread))  # noqa: S311 - spreads load

    async def _pause(self, took: float) -> None:
        sleeping = asyncio.ensure_future(self._clock.sleep(self.pause_after(took)))
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
            if not self._stopping:
                self._wake.clear()
