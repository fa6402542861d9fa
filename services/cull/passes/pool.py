"""Sees to those who are due: so many at a time, no faster than allowed, each on its own."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field

from common.clock import Clock
from common.errors import HubUnavailable, ServiceError
from common.hub.client import HubClient
from common.hub.retry import NOT_BEGUN
from services.cull.audit import Audit, event_of
from services.cull.passes.backoff import Pauses
from services.cull.passes.candidates import Candidate
from services.cull.passes.judge import Judge
from services.cull.passes.limits import Rate
from services.cull.passes.results import Done, Outcome, Tally
from services.cull.passes.settings import CullSettings, Observer
from services.cull.passes.slots import Slot, Slots
from services.cull.passes.stop import Stopper

log = logging.getLogger("cull")

Key = tuple[str, str | None]
#: How often a stop is tried that the Hub asks us to bring later, and the longest wait for it.
ATTEMPTS = 3
LONGEST_WAIT_SECONDS = 30.0


@dataclass
class _Pass:
    """What one pass has to see to. ``until``: begin nothing later, monotonic."""

    left: deque[Candidate]
    tally: Tally
    until: float | None
    #: Whoever looks for the next candidate may have to wait for a turn: the others queue up.
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    over: bool = False
    hub_lost: bool = False


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
        period = self._settings.period
        a_pass = _Pass(deque(candidates), tally, None if period is None else begun + period)
        self._stopper.reread.begin(len(candidates))
        slots = Slots(
            min(self._settings.concurrency or 100, len(candidates)),
            self._settings.slot_seconds,
            start=lambda slot: self._start(a_pass, slot),
            wanted=lambda: bool(a_pass.left) and not self._is_over(a_pass),
        )
        try:
            await slots.all_free()
            if period is None and not self.abandoned:
                await self.finish()
        except asyncio.CancelledError:
            await self.close()
            raise
        for candidate in a_pass.left:
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

    def _is_over(self, a_pass: _Pass) -> bool:
        return a_pass.over or self.abandoned

    def _start(self, a_pass: _Pass, slot: Slot) -> None:
        task = asyncio.create_task(self._work(a_pass, slot))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, a_pass: _Pass, slot: Slot) -> None:
        """See to one candidate after the other, as long as the slot is ours."""
        try:
            while slot.held:
                candidate = await self._next(a_pass)
                if candidate is None:
                    break
                slot.begin()
                await self._one(candidate, a_pass, slot)
                slot.pause()
        finally:
            slot.release()

    async def _next(self, a_pass: _Pass) -> Candidate | None:
        """Whom to see to next, None where the pass is at its end."""
        left, until = a_pass.left, a_pass.until
        async with a_pass.looking:
            while left and not self._is_over(a_pass):
                now = self._clock.monotonic()
                wait = self._rate.wait_seconds() if left[0].servers else 0.0
                if until is not None and now + wait >= until:
                    log.info("The pass took its whole period: %d are left to the next.", len(left))
                    a_pass.over = True
                    break
                candidate = left.popleft()
                key = _key(candidate)
                if key in self._busy:
                    continue
                if self._pauses.paused(key, now):
                    self._count(candidate, a_pass.tally, Outcome.PAUSED)
                    continue
                for _ in candidate.servers:
                    await self._rate.turn()
                if self._is_over(a_pass):  # that took its time
                    self._give_back(len(candidate.servers))
                    left.appendleft(candidate)
                    break
                self._busy.add(key)
                return candidate
        return None

    async def _one(self, candidate: Candidate, a_pass: _Pass, slot: Slot) -> None:
        """See to one candidate from the re-read to the end, whatever happens."""
        tally = a_pass.tally
        sent: list[Done] = []
        failures = used = 0

        async def note(done: Done) -> None:
            if done.server is not None and done.outcome in (Outcome.DONE, Outcome.SLOW):
                sent.append(done)
            await self._note(candidate, done, tally)

        try:
            while True:
                try:
                    await self._stopper.see_to(candidate, slot, self._settings.cull_users, note)
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
            await self._failed(candidate, a_pass, error)
        finally:
            self._give_back(len(candidate.servers) - len(sent) - used)
            self._busy.discard(_key(candidate))

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

    async def _failed(self, candidate: Candidate, a_pass: _Pass, error: Exception) -> None:
        """One candidate failed. Where it was the Hub that went, that is not its fault."""
        tally = a_pass.tally
        if isinstance(error, HubUnavailable) and not await self._watch.look():
            if not a_pass.hub_lost:
                a_pass.hub_lost = a_pass.over = True
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

    def _give_back(self, turns: int) -> None:
        for _ in range(turns):
            self._rate.give_back()

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
