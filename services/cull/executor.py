"""The culler: lists, decides, and has stopped what is due. One failure costs one target."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from msgspec.structs import replace

from common.clock import Clock
from common.errors import HubError, HubUnavailable, ServiceError
from common.http import NOT_BEGUN
from common.hub import HubClient
from common.models import User
from services.cull.audit import Audit, event_of
from services.cull.judge import Judge
from services.cull.pauses import Pauses
from services.cull.policy import Action, Decision, Protections
from services.cull.rate import Rate
from services.cull.results import Done, Outcome, PassResult, Row, Tally
from services.cull.slots import Slot, Slots
from services.cull.stops import Following, Stopper
from services.cull.survey import Candidate, Survey, is_there, without_own_stop

log = logging.getLogger("cull")

Key = tuple[str, str | None]
#: How often a stop is tried that the Hub asks us to bring later, and the longest wait for it.
ATTEMPTS = 3
LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class CullSettings:
    """How to go about it. Times in seconds.

    ``period`` is the time between passes: one that has lasted that long begins no further
    stop, for its listing is old. None is for a single pass, which goes to its end and waits
    for slow stops, too. ``slot_seconds`` is how long one target may hold up others: the
    Hub itself answers a slow stop after 10 s.
    """

    concurrency: int = 10
    cull_users: bool = False
    period: float | None = None
    max_stops_per_minute: int = 0
    keep_rows: bool = False
    slot_seconds: float = 15.0
    first_pause: float = 60.0
    following: Following = field(default_factory=Following)


class Observer(Protocol):
    """Who is told of what happens: the metrics."""

    def passed(self, result: PassResult) -> None:
        """A pass is over."""

    def done(self, done: Done) -> None:
        """Something became of a server or a user."""


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
    ) -> None:
        self.history: deque[PassResult] = deque(maxlen=50)
        self.judge = judge
        self.settings = settings
        self._hub = hub
        self._clock = clock
        self._audit = audit or Audit()
        self._observer = observer
        self._stopper = Stopper(hub, judge, clock, settings.following)
        self._pauses: Pauses[Key] = Pauses(settings.first_pause)
        self._rate = Rate(settings.max_stops_per_minute, clock)
        self._rows: list[Row] = []
        self._as_of: datetime | None = None
        self._busy: set[Key] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._no_time: set[tuple[str, str]] = set()
        self._hub_lost = False
        self._abandoned = False

    @property
    def failing(self) -> int:
        """How many servers and users could not be stopped and are tried again."""
        return len(self._pauses)

    def rows(self) -> list[Row]:
        """The running servers as the last whole listing had them."""
        return self._rows

    @property
    def as_of(self) -> datetime | None:
        """When the rows were listed, by the Hub's clock."""
        return self._as_of

    async def run_pass(self) -> PassResult:
        """List, decide, stop. Errors are in the result; only faults of ours are raised."""
        begun = self._clock.monotonic()
        tally = Tally()
        self._hub_lost = False
        try:
            survey = await self.survey(tally)
            if survey.candidates:
                await self._act(survey.ordered(), tally, begun)
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
        survey = Survey(tally, by_user=self.settings.cull_users, keep_rows=self.settings.keep_rows)
        broken = self._hub.broken_items
        try:
            await self.judge.watch.refresh()
            protections = await self.judge.protections()
            async with aclosing(self._listed()) as pages:
                async for page in pages:
                    for user in page:
                        await self._add(survey, user, protections)
                    if self._abandoned:
                        tally.whole = False
                        break
        except ServiceError as error:
            tally.whole = False
            tally.error(str(error))
            log.error("The listing broke off: %s", error)
            if not isinstance(error, HubError):
                survey.candidates.clear()  # who is held is not known: stop nobody
            elif isinstance(error, HubUnavailable):
                await self._hub_failed()
        self._after_listing(survey, self._hub.broken_items - broken)
        return survey

    def abandon(self) -> None:
        """Begin nothing new: the pass under way ends as soon as what it began is done."""
        self._abandoned = True

    async def finish(self) -> None:
        """Wait until the Hub has stopped what it is slow to stop, or took too long for it."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._audit.flush()

    async def close(self) -> None:
        """Look on no longer."""
        self.abandon()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._audit.flush()

    # -- listing

    async def _listed(self) -> AsyncGenerator[list[User]]:
        """The users to decide on. Each asks no more of the Hub than it must."""
        for state in ("inactive", "ready") if self.settings.cull_users else ("ready",):
            async with aclosing(self._hub.users(state=state)) as pages:
                async for page in pages:
                    yield page

    async def _add(self, survey: Survey, user: User, protections: Protections) -> None:
        judge, tally = self.judge, survey.tally
        decisions: dict[str, Decision] = {}
        try:
            for name, server in user.servers.items():
                if not is_there(server):
                    continue
                decisions[name] = (
                    judge.server_now(user, server, protections)
                    if judge.arbiter is None
                    else await judge.server(user, server, protections)
                )
            delete = None
            if self.settings.cull_users and all(
                decision.action is not Action.KEEP for decision in decisions.values()
            ):
                own = self._stopper.own.get(user.name)
                delete = judge.user_now(
                    replace(without_own_stop(user, own), servers={}), protections
                )
        except Exception as error:  # an arbiter can raise anything: it costs this user alone
            tally.error(f"{user.name}: {type(error).__name__}: {error}")
            log.exception("%s cannot be decided on", user.name)
            return
        survey.add(user, decisions, delete)

    def _after_listing(self, survey: Survey, broken: int) -> None:
        tally = survey.tally
        if broken:
            tally.error(f"{broken} users are not readable in the Hub's answer")
            log.error("%d users are not readable in the Hub's answer", broken)
        for user, server in sorted(survey.no_time - self._no_time):
            log.warning("%s/%s has no usable time and is never stopped", user, server)
        self._no_time = survey.no_time
        if tally.whole:
            self._rows, self._as_of = survey.rows, self._hub.hub_now()
            self._pauses.keep_only(_key(one) for one in survey.candidates)

    # -- stopping

    async def _act(self, candidates: list[Candidate], tally: Tally, begun: float) -> None:
        slots = Slots(self.settings.concurrency or 100, self.settings.slot_seconds)
        until = None if self.settings.period is None else begun + self.settings.period
        left = deque(candidates)
        self._stopper.reread.begin(len(candidates))
        try:
            while left and not self._hub_lost and not self._abandoned:
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
            if self.settings.period is None and not self._abandoned:
                await self.finish()
        except asyncio.CancelledError:
            await self.close()
            raise
        for candidate in left:
            self._count(candidate, tally, Outcome.POSTPONED)

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
        async for done in self._stopper.see_to(candidate, slot, self.settings.cull_users):
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
        if isinstance(error, HubUnavailable) and not await self._hub_failed():
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
        tally.error(f"{done.target}: {why}")
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

    async def _hub_failed(self) -> bool:
        """A request got no answer: is the Hub still there?"""
        return await self.judge.watch.look()

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
