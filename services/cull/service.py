"""The culler as a service: passes in their time, a look at the Hub in between, and pages."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from common.clock import Clock
from common.config.settings_file import Reload
from common.errors import ServiceError, StoreError
from common.readiness import Readiness
from common.ticker import Ticker
from services.cull.metrics import CullMetrics
from services.cull.passes.executor import Culler
from services.cull.passes.hub_health import HubWatch
from services.cull.policy.file import PolicyFile

log = logging.getLogger("cull")

#: How often the Hub is asked for a sign of life. A shorter outage makes nobody look idle:
#: servers repeat their report for a minute.
WATCH_SECONDS = 10.0
#: What a pass under way has to come to an end after SIGTERM.
ABANDON_SECONDS = 4.0
#: A last good pass older than so many periods makes the service not ready.
LATE_PERIODS = 3


class Store(Protocol):
    """The database, as far as its life goes: CullStore."""

    async def open(self) -> None: ...
    async def ping(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """All that runs, put together by the application. ``period`` in seconds."""

    culler: Culler
    watch: HubWatch
    clock: Clock
    period: float
    metrics: CullMetrics
    readiness: Readiness
    policy_file: PolicyFile | None = None
    store: Store | None = None

    async def watch_hub(self) -> None:
        """Look after the Hub and the database until cancelled."""
        begun = self.clock.monotonic()
        await Ticker(
            WATCH_SECONDS, lambda: self._look(begun), jitter=0.0, clock=self.clock
        ).run_forever()

    async def open_store(self) -> None:
        """Open the database; while it is away, try again. Raises ConfigError."""
        pause = 1.0
        while self.store is not None:
            try:
                await self.store.open()
            except StoreError as error:
                self.readiness.set("database", str(error))
                log.warning("Waiting for the database: %s", error)
                await self.clock.sleep(pause)
                pause = min(pause * 2, 30.0)
            else:
                self.readiness.set("database", None)
                return

    async def run(
        self, stopping: asyncio.Event, check_role: Callable[[], Awaitable[object]]
    ) -> None:
        """Make passes until ``stopping``; then end the one under way cleanly.

        ``check_role`` waits for the Hub and says what our token lacks. Raises ConfigError
        where the database cannot be used.
        """
        ticker = Ticker(self.period, self.make_pass, clock=self.clock)
        watching = asyncio.create_task(self.watch_hub())
        working = asyncio.create_task(self._work(ticker, check_role))
        told = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({working, watching, told}, return_when=asyncio.FIRST_COMPLETED)
            self.culler.abandon()
            ticker.stop()
            if not working.done():
                await asyncio.wait({working}, timeout=ABANDON_SECONDS)
        finally:
            for task in (working, watching, told):
                task.cancel()
            results = await asyncio.gather(working, watching, told, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _work(self, ticker: Ticker, check_role: Callable[[], Awaitable[object]]) -> None:
        await self.open_store()
        await check_role()
        await ticker.run_forever()

    async def make_pass(self) -> None:
        """Look at the policy file, then make a pass."""
        if self.policy_file is not None:
            outcome = await asyncio.to_thread(self.policy_file.reload_if_changed)
            self.metrics.reloaded(outcome, self.policy_file.problems)
            if outcome is Reload.LOADED:
                log.info("The policy file was read anew: %d rules.", self._rules)
            elif outcome is Reload.REFUSED:
                log.error("The policy file is refused, the last good one stays:")
                for problem in self.policy_file.problems:
                    log.error("  %s", problem)
        result = await self.culler.run_pass()
        if result.good:
            self.readiness.set("pass", None)
        with suppress(ServiceError):
            self.metrics.protected(await self.culler.judge.protections())

    @property
    def _rules(self) -> int:
        return len(self.culler.judge.policy().rules)

    async def _look(self, begun: float) -> None:
        await self.watch.look()
        self.metrics.watched(self.watch, self.culler.failing)
        self.readiness.set("hub", None if self.watch.up else self.watch.reason)
        self.readiness.set("pass", self._late(self.clock.monotonic() - begun))
        if self.store is not None:
            try:
                await self.store.ping()
            except ServiceError as error:
                self.readiness.set("database", str(error))
            else:
                self.readiness.set("database", None)

    def _late(self, running: float) -> str | None:
        allowed = LATE_PERIODS * self.period
        history = self.culler.history
        good = next((one for one in reversed(history) if one.whole), None)
        if good is None:
            return "no pass was made yet" if not history else "no pass has read all servers yet"
        since = (self.culler.judge.now() - good.started).total_seconds() - good.elapsed
        if min(since, running) > allowed:
            return f"the last whole pass ended {since:.0f} s ago"
        return None
