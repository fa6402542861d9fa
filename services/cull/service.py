"""The culler as a service: regular passes, with checks of the Hub and the database in between."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from common.clock import Clock
from common.config.kept import Keeper
from common.config.settings_file import Reload
from common.errors import ServiceError, StoreError
from common.readiness import Readiness
from common.ticker import Ticker
from services.cull.metrics import CullMetrics
from services.cull.passes.executor import Culler
from services.cull.passes.hub_health import HubHealth
from services.cull.policy_source import PolicyFile

log = logging.getLogger("cull")

#: Time between two checks of the Hub. A shorter outage makes no server look idle, because
#: servers repeat a failed activity report for a minute.
CHECK_SECONDS = 10.0
#: How long the current pass may take to end after SIGTERM.
ABANDON_SECONDS = 4.0
#: The service is not ready if its last complete pass is older than this number of periods.
LATE_PERIODS = 3


class Store(Protocol):
    """The database's life cycle: CullStore."""

    async def open(self) -> None: ...
    async def ping(self) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Service:
    """Runs the culler until it is asked to stop. ``period`` is in seconds."""

    culler: Culler
    hub_health: HubHealth
    clock: Clock
    period: float
    metrics: CullMetrics
    readiness: Readiness
    policy_file: PolicyFile | None = None
    keeper: Keeper | None = None
    store: Store | None = None

    async def run(
        self, stopping: asyncio.Event, check_role: Callable[[], Awaitable[object]]
    ) -> None:
        """Make passes until ``stopping`` is set; then end the current one cleanly.

        ``check_role`` waits for the Hub and reports the scopes that the token lacks. Raises
        ConfigError if the database cannot be used.
        """
        if self.policy_file is not None and self.policy_file.problems:
            self._policy_checked(self.policy_file, Reload.REFUSED)
        ticker = Ticker(self.period, self.make_pass, clock=self.clock)
        checking = asyncio.create_task(self.check_regularly())
        opening = asyncio.create_task(self.open_store())
        passing = asyncio.create_task(self._make_passes(opening, check_role, ticker))
        stop = asyncio.create_task(stopping.wait())
        tasks = (passing, checking, stop)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self.culler.abandon()
            ticker.stop()
            opening.cancel()  # no effect once the database is open
            if not passing.done():
                await asyncio.wait({passing}, timeout=ABANDON_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def check_regularly(self) -> None:
        """Check the Hub and the database until cancelled."""
        began = self.clock.monotonic()
        await Ticker(
            CHECK_SECONDS, lambda: self._check(began), jitter=0.0, clock=self.clock
        ).run_forever()

    async def open_store(self) -> None:
        """Open the database; retry while it is unavailable. Raises ConfigError."""
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

    async def make_pass(self) -> None:
        """Reload the policy file if it has changed, then make a pass."""
        if self.policy_file is not None:
            outcome = await asyncio.to_thread(self.policy_file.reload_if_changed)
            self._policy_checked(self.policy_file, outcome)
        await self._keep_policy()
        result = await self.culler.run_pass()
        if result.good:
            self.readiness.set("pass", None)
        culler = self.culler
        self.metrics.surveyed(
            unreported=culler.evaluator.unreported,
            stuck=culler.stuck,
            foreign_stops=culler.foreign_stops.total,
        )
        with suppress(ServiceError):
            self.metrics.protections_read(await self.culler.evaluator.protections())

    async def _make_passes(
        self,
        opening: Awaitable[None],
        check_role: Callable[[], Awaitable[object]],
        ticker: Ticker,
    ) -> None:
        await opening
        await self._keep_policy()
        await check_role()
        await ticker.run_forever()

    async def _keep_policy(self) -> None:
        """Store the policy, so that it is in force after a restart even if the file is invalid."""
        if self.keeper is not None:
            await self.keeper.keep()

    def _policy_checked(self, file: PolicyFile, outcome: Reload) -> None:
        self.metrics.policy_checked(outcome, file.problems)
        if outcome is Reload.LOADED:
            log.info("The policy file was reloaded: %d rules.", len(file.policy.rules))
        elif outcome is Reload.REFUSED:
            log.error("The policy file is refused; the last valid policy stays in force:")
            for problem in file.problems:
                log.error("  %s", problem)

    async def _check(self, began: float) -> None:
        hub_health = self.hub_health
        await hub_health.check()
        self.metrics.hub_checked(hub_health, self.culler.failing)
        self.readiness.set("hub", None if hub_health.up else hub_health.reason)
        self.readiness.set("pass", self._late(self.clock.monotonic() - began))
        if self.store is not None:
            try:
                await self.store.ping()
            except ServiceError as error:
                self.readiness.set("database", str(error))
            else:
                self.readiness.set("database", None)

    def _late(self, uptime: float) -> str | None:
        """Why the service is not ready: it has made no complete pass for too long."""
        allowed = LATE_PERIODS * self.period
        history = self.culler.history
        complete = next((result for result in reversed(history) if result.complete), None)
        if complete is None:
            return "no pass has been made yet" if not history else "no pass was complete yet"
        since = (self.culler.evaluator.now() - complete.started).total_seconds() - complete.elapsed
        if min(since, uptime) > allowed:
            return f"the last complete pass ended {since:.0f} s ago"
        return None
