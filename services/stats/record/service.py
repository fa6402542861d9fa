"""The recorder as a service: waits for leadership, polls on schedule, reports its health."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from common.clock import Clock
from common.errors import StoreUnavailable
from common.ticker import Ticker
from services.stats.metrics import StatsMetrics
from services.stats.record.recorder import PollResult, Recorder
from services.stats.store.latest_poll import read_latest_counts

log = logging.getLogger("stats")

LEADERSHIP_RETRY_SECONDS = 5.0
"""How often a waiting recorder tries to take over."""

CLOSE_SECONDS = 4.0
"""Time limit for writing pending changes at shutdown."""

LATE_INTERVALS = 3
"""The service is not ready if no poll was written for this many intervals."""

SetReadiness = Callable[[str, str | None], None]
"""Called with a part (poll, database, hub) and why it is not ready; None: it is ready."""


def _ignore(_part: str, _reason: str | None) -> None:
    """For a service without pages, where readiness is not shown."""


@dataclass(kw_only=True)
class Service:
    """The recorder and what it reports to."""

    recorder: Recorder
    clock: Clock
    metrics: StatsMetrics
    set_readiness: SetReadiness = _ignore
    metric_groups: int = 0
    """How many groups have their own metrics, largest first."""
    per_user: bool = False
    """Whether each user's servers are a metric."""
    after_poll: Callable[[], Awaitable[None]] | None = None
    """Called after a poll is written, unless many days remain to be counted, which would make the
    next poll late. May raise StoreUnavailable."""
    waiting: bool = False
    """Whether another recorder is the leader."""
    written_at: float | None = None

    async def run(self, stopping: asyncio.Event, prepare: Callable[[], Awaitable[None]]) -> None:
        """Record until ``stopping``. ``prepare`` waits for the Hub and checks the scopes."""
        started = self.clock.monotonic()
        interval = self.recorder.settings.interval
        ticker = Ticker(interval, self.poll, jitter=0.02, clock=self.clock)
        watchdog = Ticker(30.0, lambda: self._check_lateness(started), jitter=0.0, clock=self.clock)

        async def prepare_and_poll() -> None:
            await prepare()
            await ticker.run_forever()

        tasks = [asyncio.create_task(job) for job in (prepare_and_poll(), watchdog.run_forever())]
        stop = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Safe at any point: a poll is one transaction, which is rolled back if interrupted.
            for task in (*tasks, stop):
                task.cancel()
            results = await asyncio.gather(*tasks, stop, return_exceptions=True)
            with contextlib.suppress(TimeoutError, StoreUnavailable):
                await asyncio.wait_for(self.recorder.close(), CLOSE_SECONDS)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def poll(self) -> PollResult:
        """Wait for leadership, however long that takes, and poll once."""
        await self._wait_for_leadership()
        result = await self.recorder.poll()
        self.metrics.polled(result)
        self.metrics.leading(self.recorder.is_leader)
        if result.written:
            self.written_at = self.clock.monotonic()
            # Metrics first: a client that waits for readiness then finds them.
            await self._update_metrics()
            self.set_readiness("poll", None)
            self.set_readiness("database", None)
            if self.after_poll is not None and not self.recorder.counting:
                with contextlib.suppress(StoreUnavailable):
                    await self.after_poll()
        elif result.error:
            self.set_readiness("database", result.error)
        hub_error = result.error if result.poll is not None and not result.poll.whole else None
        self.set_readiness("hub", hub_error)
        return result

    async def _wait_for_leadership(self) -> None:
        pause = 1.0
        while True:
            try:
                if await self.recorder.acquire_leadership():
                    break
            except StoreUnavailable as exc:
                self.set_readiness("database", "the database is unavailable")
                log.warning("Waiting for the database: %s", exc)
                await self.clock.sleep(pause)
                pause = min(pause * 2, 30.0)
                continue
            if not self.waiting:
                log.info("Another recorder uses this database; waiting until it stops")
            self.waiting = True
            self.metrics.leading(False)
            # A waiting recorder is ready: it serves the pages all the same.
            self.set_readiness("poll", None)
            await self.clock.sleep(LEADERSHIP_RETRY_SECONDS)
        self.waiting = False

    async def _update_metrics(self) -> None:
        last = self.recorder.state.last_poll
        if last is None:
            return
        start = self.clock.monotonic()
        try:
            counts = await read_latest_counts(
                self.recorder.store, last, groups=self.metric_groups, per_user=self.per_user
            )
        except StoreUnavailable as exc:
            log.debug("Metrics not updated: %s", exc)
        else:
            self.metrics.show(counts, self.clock.monotonic() - start)

    async def _check_lateness(self, started: float) -> None:
        if self.waiting:
            return
        allowed = LATE_INTERVALS * self.recorder.settings.interval
        since = self.clock.monotonic() - (started if self.written_at is None else self.written_at)
        if since > allowed:
            self.set_readiness("poll", f"no poll has been written for {since:.0f} s")
