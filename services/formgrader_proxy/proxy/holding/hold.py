"""Changes that wait: bounded in number, size and time, and ended by a shutdown.

nbgrader's pages send a score once and do not report a failure. So a change that arrives while the
formgrader is stopped, starts or is replaced, or while the Hub is away, waits here.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from common.clock import Clock
from common.errors import HubFailed, HubUnavailable
from services.formgrader_proxy.metrics import FormgraderMetrics, Held
from services.formgrader_proxy.proxy.holding.not_saved import NotSaved

#: Seconds between two requests to a Hub that does not respond: the first ones, and all later ones.
_HUB_PAUSES = (0.5, 1.0, 2.0)
#: Outcomes that are counted even if the change did not wait.
_ALWAYS = frozenset({Held.UNKNOWN, Held.RESENT, Held.FULL, Held.STOPPING})

_T = TypeVar("_T")


@dataclass(frozen=True)
class HoldLimits:
    """How long one change waits in seconds, and how many changes and bytes wait at once."""

    seconds: float = 60.0
    per_user: int = 50
    per_course: int = 200
    total: int = 1000
    size: int = 64 * 1024 * 1024


@dataclass
class _Turn:
    """The changes of one target. The lock is fair, so they are made in order of arrival."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changes: int = 0


class Holding:
    """The changes that wait, in all courses."""

    def __init__(
        self,
        clock: Clock,
        metrics: FormgraderMetrics,
        stopping: asyncio.Event,
        limits: HoldLimits | None = None,
    ) -> None:
        """``stopping`` is set when the service shuts down."""
        self.clock = clock
        self.stopping = stopping
        self.limits = limits or HoldLimits()
        self._metrics = metrics
        self._count: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()
        self._size = 0
        self._turns: dict[str, _Turn] = {}

    def __len__(self) -> int:
        return self._count.total()

    @contextmanager
    def change(
        self, course: str, size: int, spent: float = 0.0, user: str = ""
    ) -> "Iterator[HeldChange]":
        """A change of ``size`` bytes that may have to wait.

        An empty ``course`` and ``user`` are for a change whose sender is not known yet, so that it
        cannot take the place of a grader's. ``spent`` are the seconds for which the change waited
        before.
        """
        held = HeldChange(self, course, size, spent, user)
        outcome = Held.REFUSED
        try:
            yield held
            outcome = held.outcome
        except NotSaved as error:
            outcome = error.outcome
            raise
        finally:
            if held.waited:
                self._give_back(course, size, user)
            if held.waited or outcome in _ALWAYS:
                self._metrics.held(outcome)

    @asynccontextmanager
    async def turn(self, held: "HeldChange", target: str) -> AsyncIterator[None]:
        """Make the changes of one target one after another.

        Otherwise a score and its correction that both waited could be forwarded in either order.

        :raises NotSaved: as :meth:`HeldChange.wait`
        """
        turn = self._turns.setdefault(target, _Turn())
        turn.changes += 1
        try:
            if turn.lock.locked():
                await self._wait_for(turn.lock, held)
            else:
                await turn.lock.acquire()
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.changes -= 1
            if not turn.changes:
                self._turns.pop(target, None)

    async def _wait_for(self, lock: asyncio.Lock, held: "HeldChange") -> None:
        acquiring = asyncio.ensure_future(lock.acquire())
        try:
            await held.wait(acquiring, "An earlier change of the same field waits.")
        except BaseException:
            # It may be acquired at the very moment at which the time is over.
            if acquiring.done() and not acquiring.cancelled():
                lock.release()
            raise

    def take(self, course: str, size: int, user: str) -> None:
        """Count a change that begins to wait.

        :raises NotSaved: there are too many
        """
        limits = self.limits
        if (
            len(self) >= limits.total
            or (user and self._by_user[user] >= limits.per_user)
            or self._count[course] >= limits.per_course
            or self._size + size > limits.size
        ):
            raise NotSaved(Held.FULL, "Too many changes are waiting. Try again in a moment.")
        self._count[course] += 1
        self._by_user[user] += 1
        self._size += size
        self._metrics.holding(len(self))

    def _give_back(self, course: str, size: int, user: str) -> None:
        self._count[course] -= 1
        self._by_user[user] -= 1
        self._count += Counter()  # drops the courses without changes
        self._by_user += Counter()
        self._size -= size
        self._metrics.holding(len(self))


class HeldChange:
    """One change. ``outcome`` is the one to report if it was forwarded."""

    def __init__(self, holding: Holding, course: str, size: int, spent: float, user: str) -> None:
        self._holding, self._user = holding, user
        self._course, self._size = course, size
        self.clock = holding.clock
        self.spent = spent
        self.waited = False
        self.outcome = Held.FORWARDED

    @property
    def left(self) -> float:
        """Seconds for which the change may still wait."""
        return max(0.0, self._holding.limits.seconds - self.spent)

    async def wait(self, work: Awaitable[Any], why: str) -> None:
        """Wait for ``work`` within the limits. ``why`` is a sentence for the user.

        :raises NotSaved: too many changes wait, the time is over, or the service shuts down
        """
        clock, stopping = self.clock, self._holding.stopping
        left, started = self.left, self.clock.monotonic()
        tasks = [asyncio.ensure_future(work)]
        try:
            if not self.waited:
                self._holding.take(self._course, self._size, self._user)
                self.waited = True
            tasks += [
                asyncio.create_task(clock.sleep(left)),
                asyncio.create_task(stopping.wait()),
            ]
            await asyncio.wait(tasks, return_when="FIRST_COMPLETED")
            if tasks[0].done() and left:
                tasks[0].result()
            elif stopping.is_set():
                raise NotSaved(Held.STOPPING, "The service is restarting. Try again in a moment.")
            else:
                seconds = self._holding.limits.seconds
                text = f"{why} It was held for {seconds:.0f} s. Try again in a moment."
                raise NotSaved(Held.TIMED_OUT, text)
        finally:
            self.spent += clock.monotonic() - started
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def pause(self, seconds: float, why: str) -> None:
        """Wait for this many seconds; arguments and errors are those of :meth:`wait`."""
        await self.wait(self.clock.sleep(seconds), why)

    async def despite_hub(self, permit: Callable[[], Awaitable[_T]]) -> _T:
        """What ``permit`` returns, as soon as the Hub responds. Without the Hub, nothing is.

        :raises NotSaved: the Hub does not respond in time, and as :meth:`wait`
        """
        attempt = 0
        while True:
            with suppress(HubUnavailable, HubFailed):
                return await permit()
            seconds = _HUB_PAUSES[min(attempt, len(_HUB_PAUSES) - 1)]
            attempt += 1
            await self.pause(seconds, "The Hub is not available, so your permission is not known.")
