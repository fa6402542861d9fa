"""Supervises one formgrader process: started on demand, stopped when idle.

A course may have several (see :mod:`.pool.pool`). Each gets a listening socket, a directory for its
runtime files and a random token. If it exits unexpectedly or is stuck, the next request starts it
again, after a delay that doubles with each failure. Every wait for the process is limited.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from common.clock import Clock, SystemClock
from services.formgrader_proxy.course_check.findings import Finding
from services.formgrader_proxy.course_check.start_errors import (
    EXPLAINED,
    launch_failed,
    process_ended,
)
from services.formgrader_proxy.course_check.versions import any_changed
from services.formgrader_proxy.upstream.endpoint import Upstream
from services.formgrader_proxy.upstream.pool.balance import Load
from services.formgrader_proxy.upstream.process.health import Patience
from services.formgrader_proxy.upstream.process.launch import LaunchSettings
from services.formgrader_proxy.upstream.process.life import Life, live

log = logging.getLogger("formgrader")

LOG_LINES = 500
#: A process that ran for longer than this has proven that it works.
PROVEN_SECONDS = 600.0
#: Stopping a process takes 6 s if it ignores signals, and never more than this.
STOP_SECONDS = 11.0


class State(StrEnum):
    """The state of a formgrader. A closed set, used as a metric label.

    PAUSING: it failed, and is not started again before the delay is over.
    """

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    STOPPING = "stopping"


def restart_delay(failures: int, *, first: float = 1.0, longest: float = 300.0) -> float:
    """Seconds to wait before the next start: doubling with each failure in a row."""
    return 0.0 if failures <= 0 else min(longest, first * 2.0 ** min(failures - 1, 30))


class Supervisor:
    """One formgrader process of a course.

    Never raises for what the process does: :attr:`state` and :attr:`trouble` report it, and
    :meth:`log_tail` returns what the process printed. ``finding`` is what is wrong with the course
    itself, if that is the trouble.
    """

    def __init__(
        self,
        settings: LaunchSettings,
        *,
        idle_seconds: float = 1800,
        start_seconds: float = 120,
        patience: Patience | None = None,
        clock: Clock | None = None,
        on_state: Callable[[State, State], None] = lambda old, new: None,
        on_line: Callable[[str], None] = lambda line: None,
    ) -> None:
        """``idle_seconds`` of zero keeps the process running. It is given up if it does not
        respond within ``start_seconds``. ``on_line`` receives the lines that it prints.
        ``on_state`` receives the previous and the new state, which are equal if only
        :attr:`startable` has changed.
        """
        self.settings = settings
        self.trouble: str | None = None
        self.finding: Finding | None = None
        self._idle_seconds = idle_seconds
        self._start_seconds = start_seconds
        self._patience = patience or Patience()
        self._clock = clock or SystemClock()
        self._on_state = on_state
        self._on_line = on_line
        self._state = State.STOPPED
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._upstream: Upstream | None = None
        self._stop = asyncio.Event()
        self._reconsider = asyncio.Event()
        self._finished = asyncio.Event()
        self._draining = False
        self._stuck: str | None = None
        self._unexplained = False
        self._failures = 0
        self._not_before = 0.0
        self._started_at = 0.0
        self._in_flight: dict[object, float] = {}
        self._last_used = self._clock.monotonic()

    @property
    def state(self) -> State:
        return self._state

    @property
    def starting_for(self) -> float:
        """Seconds since the current start began; zero in every other state."""
        return self._clock.monotonic() - self._started_at if self._state is State.STARTING else 0.0

    @property
    def paused_for(self) -> float:
        """Seconds until the process may be started again."""
        return max(0.0, self._not_before - self._clock.monotonic())

    @property
    def upstream(self) -> Upstream | None:
        """The formgrader while it runs and accepts requests."""
        return None if self._stop.is_set() else self._upstream

    @property
    def load(self) -> Load:
        """The requests whose responses have not begun yet."""
        streams = self._upstream.streams.count if self._upstream is not None else 0
        # Which of the requests these are is not known: probably the oldest ones.
        waiting = list(self._in_flight.values())[streams:]
        return Load(len(waiting), self._clock.monotonic() - waiting[0] if waiting else 0.0)

    @property
    def idle_seconds(self) -> float:
        """Seconds without a request after which it is stopped; zero keeps it running."""
        return self._idle_seconds

    @idle_seconds.setter
    def idle_seconds(self, seconds: float) -> None:
        self._idle_seconds = seconds
        self._reconsider.set()

    def log_tail(self) -> list[str]:
        """The last lines that the process printed, oldest first."""
        return list(self._log)

    def ready(self) -> Upstream | None:
        """The running formgrader. Otherwise None, and it is started unless it has to wait."""
        self.touch()
        if self.upstream is None:
            self.start()
        return self.upstream

    @property
    def startable(self) -> bool:
        """Whether there is no process, and one may be started now."""
        return self._task is None and not self.paused_for and not self._draining

    @property
    def ended(self) -> bool:
        """Whether there is no process."""
        return self._task is None

    def touch(self) -> None:
        """Postpone the idle timeout, as a request would."""
        self._last_used = self._clock.monotonic()

    def start(self) -> None:
        """Start the process if that is possible now."""
        if self.finding is not None and self.paused_for:
            self._look_for_changes(self.finding)
        if not self.startable:
            return
        self._started_at = self._last_used = self._clock.monotonic()
        self._stop.clear()
        self._stuck, self._unexplained = None, False
        self._enter(State.STARTING)
        self._task = asyncio.create_task(self._run(), name=f"formgrader {self.settings.course_id}")

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A request is being handled, so the process is not idle, however long it takes."""
        request = object()
        self._in_flight[request] = self._clock.monotonic()
        try:
            yield
        finally:
            del self._in_flight[request]
            self._last_used = self._clock.monotonic()
            if not self._in_flight:
                self._finished.set()

    async def drain(self) -> None:
        """Accept no further requests, wait for those in flight, and stop the process for good."""
        self._draining = True
        while self._in_flight and self._task is not None:
            self._finished.clear()
            finished = asyncio.create_task(self._finished.wait())
            try:
                await asyncio.wait({finished, self._task}, return_when="FIRST_COMPLETED")
            finally:
                finished.cancel()
        await self.stop()

    async def stop(self) -> None:
        """Stop the process, if there is one, and wait until it has ended, for 11 s at most."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_SECONDS)

    def _print(self, line: str) -> None:
        self._log.append(line)
        self._on_line(line)

    def _enter(self, state: State) -> None:
        old, self._state = self._state, state
        self._on_state(old, state)

    async def _run(self) -> None:
        """One life of the process, from its start to its end."""
        try:
            async with live(self.settings, self._stop, self._print) as life:
                await self._supervise(life)
            # Now its log is complete.
            if self._unexplained:
                finding = process_ended(life.exit_code, self._log, str(self.settings.directory))
                self._fail(
                    finding.text if finding else f"it exited with code {life.exit_code}", finding
                )
        except (OSError, LookupError, ValueError) as error:
            finding = launch_failed(error, str(self.settings.directory), self.settings.user)
            self._fail(finding.text if finding else f"it could not be started: {error}", finding)
        finally:
            self._upstream = None
            self._task = None
            self._enter(State.PAUSING if self._state is State.PAUSING else State.STOPPED)

    async def _supervise(self, life: Life) -> None:
        try:
            if await life.until_serving(self._start_seconds, self._clock):
                self._upstream, self.trouble, self.finding = life.upstream, None, None
                self.touch()  # the request that it was started for is about to be sent
                self._enter(State.RUNNING)
                await self._serve(life)
        finally:
            self._upstream = None
        self._note_end(life)

    async def _serve(self, life: Life) -> None:
        """Wait until the process exits, is stuck, is idle for too long or has to stop."""
        health = life.health(self._clock, self._patience)
        watching = asyncio.create_task(health.watch(self._oldest_request))
        reconsidering = asyncio.create_task(self._reconsider.wait())
        try:
            while not life.due and not watching.done():
                if reconsidering.done():
                    self._reconsider.clear()
                    reconsidering = asyncio.create_task(self._reconsider.wait())
                remaining = self._idle_remaining()
                if remaining is not None and remaining <= 0:
                    self._stop.set()
                await life.wait(remaining, watching, reconsidering)
            self._stuck = watching.result() if watching.done() else None
        finally:
            watching.cancel()
            reconsidering.cancel()

    def _note_end(self, life: Life) -> None:
        if life.stopping.done():
            self._failures = 0
            self._enter(State.STOPPING)
        elif life.exit_code in EXPLAINED and self._state is State.STARTING:
            self._unexplained = True  # its log may say why
        elif life.exited.done():
            self._fail(f"it exited with code {life.exited.result()}")
        elif self._stuck is not None:
            self._fail(self._stuck)
        else:
            self._fail(f"it did not respond within {self._start_seconds:.0f} s")

    def _look_for_changes(self, finding: Finding) -> None:
        """Start again at once if a file that the finding depends on has changed."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._start_if_changed(finding))

    async def _start_if_changed(self, finding: Finding) -> None:
        # In a thread, because a file server may not respond.
        changed = await asyncio.to_thread(any_changed, finding.watched)
        if changed and self.finding is finding:
            self._failures, self._not_before = 0, self._clock.monotonic()

    def _fail(self, why: str, finding: Finding | None = None) -> None:
        lived = self._clock.monotonic() - self._started_at
        self._failures = 1 if lived > PROVEN_SECONDS else self._failures + 1
        self._not_before = self._clock.monotonic() + restart_delay(self._failures)
        self.trouble, self.finding = why, finding
        log.warning("course %s: its formgrader failed: %s", self.settings.course_id, why)
        self._enter(State.PAUSING)

    def _oldest_request(self) -> float | None:
        return min(self._in_flight.values(), default=None)

    def _idle_remaining(self) -> float | None:
        """Seconds until the process counts as idle; None: never."""
        if not self._idle_seconds:
            return None
        if self._in_flight:
            return self._idle_seconds
        return self._last_used + self._idle_seconds - self._clock.monotonic()
