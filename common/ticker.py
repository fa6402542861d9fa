"""Runs a coroutine periodically, without overlap."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from common.clock import Clock, SystemClock

log = logging.getLogger(__name__)


class Ticker:
    """Calls ``run`` every ``period_seconds``, measured from start to start.

    Runs never overlap: after one that takes longer than the period, the next one starts a full
    period later. Each pause varies by ``jitter`` (a fraction of the period), so that several
    services do not use the Hub at the same moment. If a run raises, the error is logged and the
    next run takes place as usual.
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
        """Run until :meth:`stop`. The first run starts immediately."""
        while not self._stopping:
            started = self._clock.monotonic()
            try:
                await self._run()
            except Exception:
                log.exception("a run failed; the next one takes place as usual")
            await self._pause(self._clock.monotonic() - started)

    def wake(self) -> None:
        """Start the next run now, or as soon as the current one ends."""
        self._wake.set()

    def stop(self) -> None:
        """Start no further run."""
        self._stopping = True
        self._wake.set()

    def pause_after(self, took: float) -> float:
        """Seconds until the next run, after one that took ``took`` seconds."""
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
