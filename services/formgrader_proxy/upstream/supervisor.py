"""Supervises a course's own formgrader: started on demand, stopped when idle.

The process gets a private directory for its socket and a random token. If it exits unexpectedly,
the next request starts it again, after a delay that doubles with each failure.
"""

import asyncio
import secrets
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

import aiohttp

from common.clock import Clock, SystemClock
from services.formgrader_proxy.upstream.endpoint import Upstream
from services.formgrader_proxy.upstream.launch import LaunchSettings, launch
from services.formgrader_proxy.upstream.process import Process

LOG_LINES = 500
#: A process that ran for longer than this has proven that it works.
PROVEN_SECONDS = 600.0
_PROBE_SECONDS = 0.1


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
    """One course's formgrader process.

    Never raises for what the process does: :attr:`state` and :attr:`trouble` report it, and
    :meth:`log_tail` returns what the process printed.
    """

    def __init__(
        self,
        settings: LaunchSettings,
        *,
        idle_seconds: float = 1800,
        start_seconds: float = 120,
        clock: Clock | None = None,
        on_state: Callable[[State, State], None] = lambda old, new: None,
    ) -> None:
        """``idle_seconds`` of zero keeps the process running. It is given up if it does not
        respond within ``start_seconds``.
        """
        self.settings = settings
        self.trouble: str | None = None
        self._idle_seconds = idle_seconds
        self._start_seconds = start_seconds
        self._clock = clock or SystemClock()
        self._on_state = on_state
        self._state = State.STOPPED
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._task: asyncio.Task[None] | None = None
        self._upstream: Upstream | None = None
        self._stop = asyncio.Event()
        self._failures = 0
        self._not_before = 0.0
        self._started_at = 0.0
        self._in_flight = 0
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

    def log_tail(self) -> list[str]:
        """The last lines that the process printed, oldest first."""
        return list(self._log)

    def ready(self) -> Upstream | None:
        """The running formgrader. Otherwise None, and it is started unless it has to wait."""
        self._last_used = self._clock.monotonic()
        if self._upstream is not None:
            return self._upstream
        if self._task is None and self.paused_for == 0.0:
            self._task = asyncio.create_task(
                self._run(), name=f"formgrader {self.settings.course_id}"
            )
        return None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A request is being handled, so the process is not idle, however long it takes."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._last_used = self._clock.monotonic()

    async def stop(self) -> None:
        """Stop the process, if there is one, and wait until it has ended."""
        self._stop.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _enter(self, state: State) -> None:
        old, self._state = self._state, state
        if old is not state:
            self._on_state(old, state)

    async def _run(self) -> None:
        """One life of the process, from its start to its end."""
        self._stop.clear()
        self._started_at = self._clock.monotonic()
        self._enter(State.STARTING)
        private = Path(tempfile.mkdtemp(prefix="formgrader-"))
        try:
            await self._supervise(private)
        except (OSError, LookupError, ValueError) as error:
            self._fail(f"it could not be started: {error}")
        finally:
            self._upstream = None
            self._task = None
            if self._state is State.STOPPING:
                self._enter(State.STOPPED)
            shutil.rmtree(private, ignore_errors=True)

    async def _supervise(self, private: Path) -> None:
        token = secrets.token_urlsafe(32)
        process = launch(self.settings, private, token)
        exited = asyncio.create_task(process.wait())
        reader = asyncio.create_task(self._read_log(process))
        upstream = Upstream.at(f"http+unix://{quote(str(private / 'socket'), safe='')}", token)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            if await self._wait_until_serving(upstream, exited, stopping):
                self._upstream, self.trouble = upstream, None
                self._enter(State.RUNNING)
                await self._wait_until_idle(exited, stopping)
            self._upstream = None
            self._note_end(exited, stopping)
        finally:
            stopping.cancel()
            await upstream.close()
            await process.end()
            await asyncio.gather(reader, return_exceptions=True)

    def _note_end(self, exited: asyncio.Task[int], stopping: asyncio.Task[bool]) -> None:
        if exited.done() and not stopping.done():
            self._fail(f"it exited with code {exited.result()}")
        elif not stopping.done() and self._state is State.STARTING:
            self._fail(f"it did not respond within {self._start_seconds:.0f} s")
        else:
            self._failures = 0
            self._enter(State.STOPPING)

    def _fail(self, why: str) -> None:
        lived = self._clock.monotonic() - self._started_at
        self._failures = 1 if lived > PROVEN_SECONDS else self._failures + 1
        self._not_before = self._clock.monotonic() + restart_delay(self._failures)
        self.trouble = why
        self._enter(State.PAUSING)

    async def _read_log(self, process: Process) -> None:
        async for line in process.lines():
            self._log.append(line[:2000])

    async def _wait_until_serving(
        self, upstream: Upstream, exited: asyncio.Task[int], stopping: asyncio.Task[bool]
    ) -> bool:
        deadline = self._clock.monotonic() + self._start_seconds
        url = f"{upstream.origin}{self.settings.base_url}formgrader/api/status"
        while not exited.done() and not stopping.done() and self._clock.monotonic() < deadline:
            try:
                async with upstream.session.get(
                    url,
                    headers=upstream.authorization,
                    timeout=aiohttp.ClientTimeout(total=5),
                ) as response:
                    if response.status == 200:
                        return True
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.wait(
                {exited, stopping}, timeout=_PROBE_SECONDS, return_when="FIRST_COMPLETED"
            )
        return False

    async def _wait_until_idle(
        self, exited: asyncio.Task[int], stopping: asyncio.Task[bool]
    ) -> None:
        """Wait until the process exits, is idle for too long or has to stop."""
        while not exited.done() and not stopping.done():
            remaining = self._idle_remaining()
            if remaining is not None and remaining <= 0:
                self._stop.set()
            await asyncio.wait({exited, stopping}, timeout=remaining, return_when="FIRST_COMPLETED")

    def _idle_remaining(self) -> float | None:
        """Seconds until the process counts as idle; None: never."""
        if not self._idle_seconds:
            return None
        if self._in_flight:
            return self._idle_seconds
        return self._last_used + self._idle_seconds - self._clock.monotonic()
