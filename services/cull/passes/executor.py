"""The culler: passes over all servers. Each lists, decides, has stopped what is due, and counts."""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from common.clock import Clock
from common.hub.client import HubClient
from services.cull.audit import Audit
from services.cull.passes.candidates import Survey
from services.cull.passes.judge import Judge
from services.cull.passes.pool import Work
from services.cull.passes.results import PassResult, Row, Tally
from services.cull.passes.settings import CullSettings, Observer
from services.cull.passes.stop import Stopper
from services.cull.passes.survey import Surveyor

__all__ = ["CullSettings", "Culler", "Observer"]

log = logging.getLogger("cull")


class Culler:
    """Makes passes. ``history`` keeps the last ones, the newest at the right."""

    def __init__(
        self,
        hub: HubClient,
        judge: Judge,
        settings: CullSettings,
        clock: Clock,
        *,
        audit: Audit | None = None,
        observer: Observer | None = None,
        show: Callable[[Survey, datetime], None] | None = None,
    ) -> None:
        """``show`` makes every pass a dry one: it gets what would be done, and nothing is."""
        self.history: deque[PassResult] = deque(maxlen=50)
        self.judge = judge
        self.settings = settings
        self._hub = hub
        self._clock = clock
        self._audit = audit or Audit()
        self._observer = observer
        self._show = show
        stopper = Stopper(hub, judge, clock, settings.following)
        self._work = Work(hub, judge, stopper, settings, clock, self._audit, observer)
        self._surveyor = Surveyor(
            hub,
            judge,
            stopper.own,
            cull_users=settings.cull_users,
            keep_rows=settings.keep_rows,
        )
        self._rows: list[Row] = []
        self._as_of: datetime | None = None

    @property
    def failing(self) -> int:
        """How many servers and users could not be stopped and are tried again."""
        return self._work.failing

    @property
    def as_of(self) -> datetime | None:
        """When the rows were listed, by the Hub's clock."""
        return self._as_of

    def rows(self) -> list[Row]:
        """The running servers as the last whole listing had them."""
        return self._rows

    async def run_pass(self) -> PassResult:
        """List, decide, stop. Errors are in the result; only faults of ours are raised."""
        begun = self._clock.monotonic()
        tally = Tally()
        try:
            survey = await self.survey(tally)
            if self._show is not None:
                self._show(survey, self._hub.hub_now())
            elif survey.candidates:
                await self._work.do(survey.ordered(), tally, begun)
        finally:
            await self._audit.flush()
        elapsed = self._clock.monotonic() - begun
        # Only now is the Hub's time known for sure.
        result = tally.result(self._hub.hub_now() - timedelta(seconds=elapsed), elapsed)
        self.history.append(result)
        if self._observer is not None:
            self._observer.passed(result)
        _report(result)
        return result

    async def survey(self, tally: Tally | None = None) -> Survey:
        """List all running servers and decide on each. Stops nothing."""
        tally = tally if tally is not None else Tally()
        survey = await self._surveyor.survey(tally, lambda: not self._work.abandoned)
        if tally.whole:
            self._rows, self._as_of = survey.rows, self._hub.hub_now()
            self._work.forget_others(survey.candidates)
        return survey

    def abandon(self) -> None:
        """Begin nothing new: the pass under way ends as soon as what it began is done."""
        self._work.abandoned = True

    async def finish(self) -> None:
        """Wait until the Hub has stopped what it is slow to stop, or took too long for it."""
        await self._work.finish()

    async def close(self) -> None:
        """Look on no longer."""
        await self._work.close()


def _report(result: PassResult) -> None:
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
        "" if result.whole else ", not whole",
    )
