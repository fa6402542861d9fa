"""Sees to those who are due: so many at a time, no faster than allowed, each on its own."""

import asyncio
import logging
from collections import deque

from common.clock import Clock
from common.errors import HubUnavailable, ServiceError
from common.http import NOT_BEGUN
from common.hub import HubClient
from services.cull.audit import Audit, event_of
from services.cull.judge import Judge
from services.cull.pauses import Pauses
from services.cull.rate import Rate
from services.cull.results import Done, Outcome, Tally
from services.cull.settings import CullSettings, Observer
from services.cull.slots import Slot, Slots
from services.cull.stops import Stopper
from services.cull.survey import Candidate

log = logging.getLogger("cull")

Key = tuple[str, str | None]
#: How often a stop is tried that the Hub asks us to bring later, and the longest wait for it.
ATTEMPTS = 3
LONGEST_WAIT_SECONDS = 30.0


class Work:
    """What is under way, and what failed before. One failure costs one target."""

    def __init__(
        self,
        hub: HubClient,
        judge: Judge,
        stopper: Stopper,
        settings: CullSettings,
        clock: Clock,
        audit: Audit,
        observer: Observer | None,
    ) -> None:
        self._hub = hub
        self._watch = judge.watch
        self._stopper = stopper
        self._settings = settings
        self._clock = clock
        self._audit = audit
        self._observer = observer
        self._pauses: Pauses[Key] = Pauses(settings.first_pause)
        self._rate = Rate(settings.max_stops_per_minute, clock)
        self._busy: set[Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hub_lost = False
        self.abandoned = False

    @property
    def failing(self) -> int:
        """How many servers and users could not be stopped and are tried again."""
        return len(self._pauses)

    def forget_others(self, candidates: list[Candidate]) -> None:
        """Forget the failures of all but these: nobody else is due any more."""
        self._pauses.keep_only(_key(one) for one in candidates)

    async def do(self, candidates: list[Candidate], tally: Tally, begun: float) -> None:
        """See to the candidates in their order. ``begun`` is when the pass began, monotonic.

        Returns when all have been seen to, or go on without a slot: see :meth:`finish`.
        """
        self._hub_lost = False
        slots = Slots(self._settings.concurrency or 100, self._settings.slot_seconds)
        until = None if self._settings.period is None else begun + self._settings.period
        left = deque(candidates)
        self._stopper.reread.begin(len(candidates))
        try:
            while left and not self._hub_lost and not self.abandoned:
                now = self._clock.monotonic()
                wait = self._rate.wait_seconds() if left[0].servers else 0.0
                if until is not None and now + wait >= until:
                    log.info("The pass took its whole period: %d are left to the next.", len(left))
                    break
                candidate = left.popleft()
                if _key(candidate) in self._busy:
                    continue
                if self._pauses.paused(_key(candidate), now):
                    self._count(candidate, tally, Outcome.PAUSED)
                    continue
                for _ in candidate.servers:
                    await self._rate.turn()
                self._begin(candidate, tally, await slots.take())
            await slots.all_free()
            if self._settings.period is None and not self.abandoned:
                await self.finish()
        except asyncio.CancelledError:
            await self.close()
            raise
        for candidate in left:
            self._count(candidate, tally, Outcome.POSTPONED)

    async def finish(self) -> None:
        """Wait until the Hub has stopped what it is slow to stop, or took too long for it."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._audit.flush()

    async def close(self) -> None:
        """Look on no longer."""
        self.abandoned = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._audit.flush()

    def _begin(self, candidate: Candidate, tally: Tally, slot: Slot) -> None:
        self._busy.add(_key(candidate))
        task = asyncio.create_task(self._one(candidate, tally, slot))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, candidate: Candidate, tally: Tally, slot: Slot) -> None:
        """See to one candidate from the re-read to the end, whatever happens."""
        sent: list[Done] = []
        failures = used = 0
        try:
            while True:
                try:
                    await self._see_to(candidate, tally, slot, sent)
                except HubUnavailable as error:
                    failures += 1
                    if error.status not in NOT_BEGUN or failures >= ATTEMPTS:
                        raise
                    # The Hub has not begun and asks us to come later: then all is read again.
                    await self._clock.sleep(min(error.retry_after or 1.0, LONGEST_WAIT_SECONDS))
                else:
                    break
            for done in sent:
                if done.outcome is Outcome.SLOW:
                    await self._note(candidate, await self._stopper.follow(candidate, done), tally)
        except Exception as error:
            used = 1  # the Hub may be at it all the same
            await self._failed(candidate, tally, error)
        finally:
            for _ in range(len(candidate.servers) - len(sent) - used):
                self._rate.give_back()
            self._busy.discard(_key(candidate))
            slot.release()

    async def _see_to(
        self, candidate: Candidate, tally: Tally, slot: Slot, sent: list[Done]
    ) -> None:
        """One try. Adds to ``sent`` the stops that the Hub took."""
        async for done in self._stopper.see_to(candidate, slot, self._settings.cull_users):
            if done.server is not None and done.outcome in (Outcome.DONE, Outcome.SLOW):
                sent.append(done)
            await self._note(candidate, done, tally)

    async def _note(self, candidate: Candidate, done: Done, tally: Tally) -> None:
        tally.add(done)
        self._tell(done)
        match done.outcome:
            case Outcome.LEFT:
                log.info("%s was due and is left: %s", done.target, done.why)
                return
            case Outcome.SLOW:
                log.info("%s is slow to stop.", done.target)
                return
            case Outcome.FAILED | Outcome.OVERDUE:
                tally.error(f"{done.target}: {done.why}")
                self._pauses.failed(_key(candidate), self._clock.monotonic())
            case Outcome.DONE:
                self._pauses.succeeded(_key(candidate))
            case _:
                return
        await self._audit.write(event_of(done, self._hub.hub_now()))

    async def _failed(self, candidate: Candidate, tally: Tally, error: Exception) -> None:
        """One candidate failed. Where it was the Hub that went, that is not its fault."""
        if isinstance(error, HubUnavailable) and not await self._watch.look():
            if not self._hub_lost:
                self._hub_lost = True
                tally.error(str(error))
                log.error("The Hub went away: the rest is left to the next pass.")
            self._count(candidate, tally, Outcome.POSTPONED)
            return
        pause = self._pauses.failed(_key(candidate), self._clock.monotonic())
        ours = not isinstance(error, ServiceError)
        why = f"{type(error).__name__}: {error}" if ours else str(error)
        done = _of(candidate, Outcome.FAILED, why)
        tally.error(f"{done.target}: {why}", error)
        log.warning(
            "%s could not be stopped, next try in %.0f s: %s",
            done.target,
            pause,
            why,
            exc_info=error if ours else None,
        )
        tally.add(done)
        self._tell(done)
        await self._audit.write(event_of(done, self._hub.hub_now()))

    def _count(self, candidate: Candidate, tally: Tally, outcome: Outcome) -> None:
        done = _of(candidate, outcome)
        tally.add(done)
        self._tell(done)

    def _tell(self, done: Done) -> None:
        if self._observer is not None:
            self._observer.done(done)


def _key(candidate: Candidate) -> Key:
    """Whom to leave alone when it fails: the server, or the user where users are culled."""
    servers = candidate.servers
    single = candidate.delete is None and len(servers) == 1
    return candidate.user.name, servers[0].name if single else None


def _of(candidate: Candidate, outcome: Outcome, why: str = "") -> Done:
    server, decision = candidate.first
    return Done.of(candidate.user.name, server, decision, outcome, why)
