"""The culler: makes passes. Each lists all servers, decides, stops what is due, and counts."""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from common.clock import Clock
from common.hub.client import HubClient
from services.cull.evaluator import PolicyEvaluator
from services.cull.passes.audit import Audit
from services.cull.passes.hub_health import HubHealth
from services.cull.passes.listing.foreign_stops import ForeignStops
from services.cull.passes.listing.survey import Survey, Surveyor
from services.cull.passes.own_stops import OwnStops
from services.cull.passes.pool import StopPool
from services.cull.passes.reread import Reread
from services.cull.passes.results import PassObserver, PassResult, SurveyedServer, Tally
from services.cull.passes.stop import Stopper
from services.cull.settings import CullSettings

log = logging.getLogger("cull")


class Culler:
    """Makes passes. ``history`` has the results of the last 50, newest last."""

    def __init__(
        self,
        hub: HubClient,
        hub_health: HubHealth,
        evaluator: PolicyEvaluator,
        settings: CullSettings,
        clock: Clock,
        *,
        audit: Audit | None = None,
        observer: PassObserver | None = None,
        dry_run: Callable[[Survey, datetime], None] | None = None,
    ) -> None:
        """``dry_run`` receives each survey and the Hub's time; then nothing is stopped."""
        self.history: deque[PassResult] = deque(maxlen=50)
        self.evaluator = evaluator
        self.hub_health = hub_health
        self._hub = hub
        self._clock = clock
        self.audit = audit or Audit()
        self._observer = observer
        self._dry_run = dry_run
        own_stops = OwnStops(hub.hub_now)
        self._surveyor = Surveyor(hub, hub_health, evaluator, own_stops, settings)
        self._reread = Reread(hub, clock)
        stopper = Stopper(hub, evaluator, self._reread, own_stops, settings, clock)
        self._pool = StopPool(stopper, hub_health, self.audit, settings, clock, hub.hub_now)
        self._servers: list[SurveyedServer] = []
        self._as_of: datetime | None = None

    @property
    def failing(self) -> int:
        """How many servers and users could not be stopped and will be retried."""
        return self._pool.failing

    @property
    def stuck(self) -> int:
        """How many servers have been starting or stopping for more than an hour."""
        return self._surveyor.stuck

    @property
    def foreign_stops(self) -> ForeignStops:
        """The idle servers that something else has stopped."""
        return self._surveyor.foreign_stops

    @property
    def as_of(self) -> datetime | None:
        """When :meth:`servers` were listed, by the Hub's clock; None before the first pass."""
        return self._as_of

    def servers(self) -> list[SurveyedServer]:
        """The running servers in the last complete listing."""
        return self._servers

    async def run_pass(self) -> PassResult:
        """List, decide, stop. Errors are part of the result; only bugs raise."""
        began, began_at = self._clock.monotonic(), self._hub.hub_now()
        tally = Tally(self._observer)
        try:
            survey = await self.survey(tally)
            if self._dry_run is not None:
                self._dry_run(survey, self._hub.hub_now())
            elif survey.candidates:
                self._reread.begin(len(survey.candidates))
                await self._pool.run(survey.ordered(), tally, began)
        finally:
            await self.audit.flush()
        self.audit.pass_finished(min(began_at, self._pool.oldest or began_at))
        elapsed = self._clock.monotonic() - began
        # The start is computed at the end, when the Hub's time is known.
        result = tally.result(self._hub.hub_now() - timedelta(seconds=elapsed), elapsed)
        self.history.append(result)
        if self._observer is not None:
            self._observer.pass_finished(result)
        _log_result(result)
        return result

    async def survey(self, tally: Tally | None = None) -> Survey:
        """List all running servers and decide on each, without stopping any."""
        tally = tally if tally is not None else Tally()
        survey = await self._surveyor.survey(tally, lambda: self._pool.abandoned)
        if tally.complete:
            self._servers, self._as_of = survey.servers, self._hub.hub_now()
            self._pool.forget_all_but(survey.candidates)
        return survey

    def abandon(self) -> None:
        """Start nothing new: the current pass ends when the stops under way are finished."""
        self._pool.abandon()

    async def finish(self) -> None:
        """Wait until slow stops have ended or are overdue."""
        await self._pool.finish()

    async def close(self) -> None:
        """Cancel all stops that are still followed."""
        await self._pool.close()


def _log_result(result: PassResult) -> None:
    log.info(
        "pass: %d servers seen, %d stopped, %d removed, %d users deleted, %d slow, %d kept,"
        " %d skipped, %d errors, %.2f s%s",
        result.seen,
        result.stopped,
        result.removed,
        result.deleted,
        result.slow,
        result.kept,
        result.skipped,
        result.failures,
        result.elapsed,
        "" if result.complete else ", incomplete listing",
    )
