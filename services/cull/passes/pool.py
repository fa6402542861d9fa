"""The worker pool that stops candidates: bounded concurrency and rate, retries, back-off.

One failure costs one target. A target gives up its slot early when the Hub is slow to stop a
server, or when it takes too long, so that slow targets never hold up the others.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from common.clock import Clock
from common.errors import HubUnavailable, ServiceError
from common.hub.retry import NOT_BEGUN
from services.cull.passes.audit import Audit, event_of
from services.cull.passes.backoff import Backoff
from services.cull.passes.hub_health import HubHealth
from services.cull.passes.limits import RateLimit, Slot
from services.cull.passes.listing.survey import Candidate, CandidateKey
from services.cull.passes.results import Outcome, Tally, TargetResult
from services.cull.passes.stop import Stopper
from services.cull.settings import CullSettings

log = logging.getLogger("cull")

#: Attempts at a stop that the Hub refuses for now (429, 503), and the longest wait in between.
ATTEMPTS = 3
MAX_RETRY_SECONDS = 30.0


@dataclass
class _Run:
    """The pool's part of one pass. No stop starts after ``until`` (monotonic seconds)."""

    waiting: deque[Candidate]
    tally: Tally
    until: float | None
    ended: bool = False


class StopPool:
    """Stops candidates pass after pass. ``now`` returns the Hub's time, for the audit log."""

    def __init__(
        self,
        stopper: Stopper,
        hub_health: HubHealth,
        audit: Audit,
        settings: CullSettings,
        clock: Clock,
        now: Callable[[], datetime],
    ) -> None:
        self._stopper = stopper
        self._hub_health = hub_health
        self._audit = audit
        self._settings = settings
        self._clock = clock
        self._now = now
        self._backoff: Backoff[CandidateKey] = Backoff(settings.first_backoff)
        self._rate = RateLimit(settings.max_stops_per_minute, clock)
        self._busy: set[CandidateKey] = set()
        self._tasks: dict[asyncio.Task[None], datetime] = {}
        self._abandoned = False

    @property
    def failing(self) -> int:
        """How many servers and users could not be stopped and will be retried."""
        return len(self._backoff)

    @property
    def abandoned(self) -> bool:
        """Whether no further stop is started."""
        return self._abandoned

    @property
    def oldest(self) -> datetime | None:
        """When the oldest stop that is still under way was begun; None if there is none."""
        return min(self._tasks.values(), default=None)

    def abandon(self) -> None:
        """Start no further stop; those under way are finished."""
        self._abandoned = True

    def forget_all_but(self, candidates: Iterable[Candidate]) -> None:
        """Forget the failures of all other targets, which are no longer due."""
        self._backoff.keep_only(candidate.key for candidate in candidates)

    async def run(self, candidates: list[Candidate], tally: Tally, began: float) -> None:
        """Stop the candidates in order, for a pass that began at this monotonic time.

        Returns when each target is finished or has given up its slot; a pass without a period
        also waits for the latter, as :meth:`finish` does.
        """
        period = self._settings.period
        run = _Run(deque(candidates), tally, None if period is None else began + period)
        width = min(self._settings.concurrency, len(candidates))
        slots = asyncio.Semaphore(width)
        try:
            while True:
                await slots.acquire()
                candidate = await self._next(run)
                if candidate is None:
                    slots.release()
                    break
                slot = Slot(slots, self._settings.slot_seconds)
                task = asyncio.create_task(self._stop(candidate, run, slot))
                self._tasks[task] = self._now()
                task.add_done_callback(self._tasks.pop)
            for _ in range(width):
                await slots.acquire()
            if period is None and not self._abandoned:
                await self.finish()
        except asyncio.CancelledError:
            await self.close()
            raise
        for candidate in run.waiting:
            tally.add(_result(candidate, Outcome.POSTPONED))

    async def finish(self) -> None:
        """Wait for targets without a slot, such as slow stops that are still followed."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._audit.flush()

    async def close(self) -> None:
        """Cancel everything that is under way."""
        self._abandoned = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._audit.flush()

    async def _next(self, run: _Run) -> Candidate | None:
        """The next candidate to stop, with a rate permit for each server; None at the end."""
        waiting = run.waiting
        while waiting and not self._is_over(run):
            candidate = waiting[0]
            key = candidate.key
            now = self._clock.monotonic()
            wait = self._rate.wait_seconds() if candidate.servers else 0.0
            if run.until is not None and now + wait >= run.until:
                log.info("The period is over; %d stops are left to the next pass.", len(waiting))
                break
            if key in self._busy:
                waiting.popleft()
                continue
            if self._backoff.active(key, now):
                run.tally.add(_result(waiting.popleft(), Outcome.BACKED_OFF))
                continue
            for _ in candidate.servers:
                await self._rate.acquire()
            if self._is_over(run):  # it ended while this waited for the rate limit
                self._rate.give_back(len(candidate.servers))
                break
            self._busy.add(key)
            return waiting.popleft()
        return None

    def _is_over(self, run: _Run) -> bool:
        return run.ended or self._abandoned

    async def _stop(self, candidate: Candidate, run: _Run, slot: Slot) -> None:
        """Stop one candidate, from the re-read to the end of a slow stop. Does not raise."""
        sent: list[TargetResult] = []
        permits = len(candidate.servers)
        try:
            await self._attempt(candidate, run.tally, slot, sent)
            for result in sent:
                if result.outcome is Outcome.SLOW:
                    followed = await self._stopper.follow(candidate, result)
                    await self._record(candidate, followed, run.tally)
        except Exception as error:
            permits -= 1  # the Hub may have begun with the stop all the same
            await self._failed(candidate, run, error)
        finally:
            self._rate.give_back(permits - len(sent))
            self._busy.discard(candidate.key)
            slot.release()

    async def _attempt(
        self, candidate: Candidate, tally: Tally, slot: Slot, sent: list[TargetResult]
    ) -> None:
        """Stop a candidate's servers; the results of stops that the Hub took go to ``sent``.

        A stop that the Hub has not begun and asks to send later is retried from the re-read on.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with aclosing(self._stopper.stop(candidate)) as results:
                    async for result in results:
                        if result.outcome is Outcome.SLOW:
                            slot.release()
                        if result.server is not None and result.outcome in (
                            Outcome.DONE,
                            Outcome.SLOW,
                        ):
                            sent.append(result)
                        await self._record(candidate, result, tally)
            except HubUnavailable as error:
                if error.status not in NOT_BEGUN or attempt == ATTEMPTS:
                    raise
                await self._clock.sleep(min(error.retry_after or 1.0, MAX_RETRY_SECONDS))
            else:
                return

    async def _record(self, candidate: Candidate, result: TargetResult, tally: Tally) -> None:
        """Count, log and audit a result, and note what it means for the back-off."""
        tally.add(result)
        match result.outcome:
            case Outcome.DONE:
                self._backoff.succeeded(candidate.key)
            case Outcome.FAILED | Outcome.OVERDUE:
                tally.error(f"{result.target}: {result.detail}")
                self._backoff.failed(candidate.key, self._clock.monotonic())
            case Outcome.NO_LONGER_DUE:
                log.info("%s is no longer due and was skipped: %s", result.target, result.detail)
                return
            case Outcome.SLOW:
                log.info("%s is slow to stop.", result.target)
                return
            case _:
                return
        await self._audit.write(event_of(result, self._now()))

    async def _failed(self, candidate: Candidate, run: _Run, error: Exception) -> None:
        """A candidate failed; where the Hub itself is down, that ends the run instead."""
        tally = run.tally
        if isinstance(error, HubUnavailable) and not await self._hub_health.check():
            if not run.ended:
                run.ended = True
                tally.error(str(error))
                log.error("The Hub is unreachable; the next pass stops the remaining servers.")
            tally.add(_result(candidate, Outcome.POSTPONED))
            return
        pause = self._backoff.failed(candidate.key, self._clock.monotonic())
        internal = not isinstance(error, ServiceError)
        detail = f"{type(error).__name__}: {error}" if internal else str(error)
        result = _result(candidate, Outcome.FAILED, detail)
        tally.error(f"{result.target}: {detail}", error)
        log.warning(
            "%s could not be stopped; next attempt in %.0f s: %s",
            result.target,
            pause,
            detail,
            exc_info=error if internal else None,
        )
        tally.add(result)
        await self._audit.write(event_of(result, self._now()))


def _result(candidate: Candidate, outcome: Outcome, detail: str = "") -> TargetResult:
    server, decision = candidate.first
    return TargetResult.of(candidate.user.name, server, decision, outcome, detail)
