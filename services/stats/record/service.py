"""The recorder as a service: the lead, polls in their time, readiness and metrics."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from common.clock import Clock
from common.errors import StoreUnavailable
from common.readiness import Readiness
from common.ticker import Ticker
from services.stats.metrics import StatsMetrics
from services.stats.record.recorder import PollResult, Recorder
from services.stats.store.latest_poll import read_current

log = logging.getLogger("stats")

LEAD_SECONDS = 5.0
"""How often a waiting recorder tries to take over."""

CLOSE_SECONDS = 4.0
"""What is waiting has so long to be written at the end."""

LATE_INTERVALS = 3
"""A last written poll older than so many intervals makes the service not ready."""


@dataclass(kw_only=True)
class Service:
    """All that runs, put together by the application."""

    recorder: Recorder
    clock: Clock
    metrics: StatsMetrics
    readiness: Readiness
    metric_groups: int = 0
    per_user: bool = False
    after_poll: Callable[[], Awaitable[None]] | None = None
    """Called when a poll is written; may raise StoreUnavailable."""
    waiting: bool = False
    written_at: float | None = None

    async def run(self, stopping: asyncio.Event, prepare: Callable[[], Awaitable[None]]) -> None:
        """Record until ``stopping``. ``prepare`` waits for the Hub and looks at our scopes."""
        begun = self.clock.monotonic()
        interval = self.recorder.settings.interval
        ticker = Ticker(interval, self.poll, jitter=0.02, clock=self.clock)
        watch = Ticker(30.0, lambda: self._watch(begun), jitter=0.0, clock=self.clock)

        async def work() -> None:
            await prepare()
            await ticker.run_forever()

        tasks = [asyncio.create_task(job) for job in (work(), watch.run_forever())]
        told = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([*tasks, told], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # A poll is one transaction: cut off, nothing of it is there.
            for task in (*tasks, told):
                task.cancel()
            results = await asyncio.gather(*tasks, told, return_exceptions=True)
            with contextlib.suppress(TimeoutError, StoreUnavailable):
                await asyncio.wait_for(self.recorder.close(), CLOSE_SECONDS)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def poll(self) -> PollResult:
        """Get the lead, however long that takes, and poll once."""
        await self._lead()
        result = await self.recorder.poll()
        self.metrics.polled(result)
        self.metrics.leading(bool(self.recorder.leader))
        if result.written:
            self.written_at = self.clock.monotonic()
            # The numbers first: who waits until we are ready finds them.
            await self._show()
            self.readiness.set("poll", None)
            self.readiness.set("database", None)
            if self.after_poll is not None:
                with contextlib.suppress(StoreUnavailable):
                    await self.after_poll()
        elif result.error:
            self.readiness.set("database", result.error)
        hub = result.error if result.poll is not None and not result.poll.whole else None
        self.readiness.set("hub", hub)
        return result

    async def _lead(self) -> None:
        pause = 1.0
        while True:
            try:
                if await self.recorder.lead():
                    break
            except StoreUnavailable as exc:
                self.readiness.set("database", "the database is away")
                log.warning("waiting for the database: %s", exc)
                await self.clock.sleep(pause)
                pause = min(pause * 2, 30.0)
                continue
            if not self.waiting:
                log.info("another recorder is at work on this database: waiting until it is gone")
            self.waiting = True
            self.metrics.leading(False)
            # Waiting is what a second recorder is for: it serves pages all the same.
            self.readiness.set("poll", None)
            await self.clock.sleep(LEAD_SECONDS)
        self.waiting = False

    async def _show(self) -> None:
        last = self.recorder.state.last_poll
        if last is None:
            return
        begun = self.clock.monotonic()
        try:
            current = await read_current(
                self.recorder.store, last, groups=self.metric_groups, per_user=self.per_user
            )
        except StoreUnavailable as exc:
            log.debug("no numbers for the metrics: %s", exc)
        else:
            self.metrics.show(current, self.clock.monotonic() - begun)

    async def _watch(self, begun: float) -> None:
        if self.waiting:
            return
        allowed = LATE_INTERVALS * self.recorder.settings.interval
        since = self.clock.monotonic() - (self.written_at if self.written_at is not None else begun)
        if since > allowed:
            self.readiness.set("poll", f"no poll was written for {since:.0f} s")
