"""A course's own formgrader: started when somebody comes, stopped when nobody does.

The process gets a private directory with its socket, a random token by its standard
input, and an environment in which nothing of ours or the Hub's is left. A process that
dies is started again at the next request, after a pause that grows with each death.
"""

import asyncio
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

import aiohttp

from common.clock import Clock, SystemClock
from services.formgrader_proxy.proxy.forward_http import Upstream
from services.formgrader_proxy.upstream.process import Account, Process

#: What a formgrader may know of our environment: where programs and words are, no secret.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
LOG_LINES = 500
_PROBE_SECONDS = 0.1


class State(StrEnum):
    """A closed set, used as a metric label."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    STOPPING = "stopping"


@dataclass(frozen=True)
class ManagedSettings:
    """How one course's formgrader is run. Times in seconds.

    ``user`` is a system account, only for a service that runs as root. ``idle_seconds``
    of zero keeps it for ever.
    """

    course_id: str
    directory: Path
    base_url: str
    user: str | None = None
    db_url: str | None = None
    idle_seconds: float = 1800
    start_seconds: float = 120
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (
        sys.executable,
        "-I",
        "-m",
        "services.formgrader_proxy.upstream.server",
    )


def pause_after(deaths: int, *, first: float = 1.0, most: float = 300.0) -> float:
    """Seconds to wait before the next start: doubling with each death in a row."""
    return 0.0 if deaths <= 0 else min(most, first * 2.0 ** min(deaths - 1, 30))


class ManagedUpstream:
    """One course's formgrader process.

    Never raises for what the process does: :attr:`state` and :attr:`trouble` say it, and
    :meth:`log_tail` shows what it printed.
    """

    def __init__(
        self,
        settings: ManagedSettings,
        *,
        clock: Clock | None = None,
        on_state: Callable[[State, State], None] = lambda old, new: None,
    ) -> None:
        self.settings = settings
        self.trouble: str | None = None
        self._clock = clock or SystemClock()
        self._on_state = on_state
        self._state = State.STOPPED
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._task: asyncio.Task[None] | None = None
        self._upstream: Upstream | None = None
        self._stop = asyncio.Event()
        self._deaths = 0
        self._not_before = 0.0
        self._started_at = 0.0
        self._in_flight = 0
        self._last_used = self._clock.monotonic()

    @property
    def state(self) -> State:
        return self._state

    @property
    def started_for(self) -> float:
        """Seconds since the present start began; zero when none is under way."""
        return self._clock.monotonic() - self._started_at if self._state is State.STARTING else 0.0

    @property
    def paused_for(self) -> float:
        """Seconds until a start will be tried again."""
        return max(0.0, self._not_before - self._clock.monotonic())

    def log_tail(self) -> list[str]:
        """The last lines that the process printed, oldest first."""
        return list(self._log)

    def ready(self) -> Upstream | None:
        """The running formgrader; otherwise None, and a start is under way if it may be."""
        self._last_used = self._clock.monotonic()
        if self._upstream is not None:
            return self._upstream
        if self._task is None and self.paused_for == 0.0:
            self._task = asyncio.create_task(
                self._run(), name=f"formgrader {self.settings.course_id}"
            )
        return None

    def begin(self) -> None:
        """A request is on its way to the process: it is not idle, however long that takes."""
        self._in_flight += 1

    def end(self) -> None:
        """That request is over."""
        self._in_flight -= 1
        self._last_used = self._clock.monotonic()

    async def stop(self) -> None:
        """Stop the process, if there is one, and wait until it is gone."""
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
            await self._live(private)
        except (OSError, LookupError, ValueError) as error:
            self._die(f"it cannot be started: {error}")
        finally:
            self._upstream = None
            self._task = None
            shutil.rmtree(private, ignore_errors=True)

    async def _live(self, private: Path) -> None:
        socket, token = private / "socket", secrets.token_urlsafe(32)
        process = self._spawn(private, socket, token)
        gone = asyncio.create_task(process.wait())
        reader = asyncio.create_task(self._read_log(process))
        upstream = Upstream.at(f"http+unix://{quote(str(socket), safe='')}", token)
        stopping = asyncio.create_task(self._stop.wait())
        try:
            if await self._wait_until_serving(upstream, gone, stopping):
                self._upstream, self.trouble = upstream, None
                self._enter(State.RUNNING)
                await self._until_idle_or_gone(gone, stopping)
            self._upstream = None
            self._after(gone, stopping)
        finally:
            stopping.cancel()
            await upstream.close()
            await process.end()
            await asyncio.gather(reader, return_exceptions=True)

    def _after(self, gone: asyncio.Task[int], stopping: asyncio.Task[bool]) -> None:
        """Note how this life came to its end."""
        if gone.done() and not stopping.done():
            self._die(f"it ended by itself with exit code {gone.result()}")
        elif not stopping.done() and self._state is State.STARTING:
            self._die(f"it did not answer within {self.settings.start_seconds:.0f} s")
        else:
            self._deaths = 0
            self._enter(State.STOPPED)

    def _die(self, why: str) -> None:
        lived = self._clock.monotonic() - self._started_at
        # One that served for a while has proven itself: its next start need not wait long.
        self._deaths = 1 if lived > 600 else self._deaths + 1
        self._not_before = self._clock.monotonic() + pause_after(self._deaths)
        self.trouble = why
        self._enter(State.PAUSING)

    def _spawn(self, private: Path, socket: Path, token: str) -> Process:
        settings = self.settings
        account = Account.named(settings.user)
        if account.uid is not None:
            os.chown(private, account.uid, account.gid or -1)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # nbgrader calls alembic and jupyter by name: they stand beside our Python.
        programs = str(Path(sys.executable).parent)
        environment["PATH"] = os.pathsep.join((programs, environment.get("PATH", os.defpath)))
        environment |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
        environment |= {"JUPYTER_RUNTIME_DIR": str(private / "runtime"), **settings.environment}
        start = {
            "course_id": settings.course_id,
            "base_url": settings.base_url,
            "socket": str(socket),
            "token": token,
            "db_url": settings.db_url,
            "parent": os.getpid(),
        }
        return Process(
            settings.command,
            account=account,
            directory=settings.directory,
            environment=environment,
            given=json.dumps(start).encode(),
        )

    async def _read_log(self, process: Process) -> None:
        async for line in process.lines():
            self._log.append(line[:2000])

    async def _wait_until_serving(
        self, upstream: Upstream, gone: asyncio.Task[int], stopping: asyncio.Task[bool]
    ) -> bool:
        deadline = self._clock.monotonic() + self.settings.start_seconds
        url = f"{upstream.origin}{self.settings.base_url}formgrader/api/status"
        while not gone.done() and not stopping.done() and self._clock.monotonic() < deadline:
            try:
                async with upstream.session.get(
                    url,
                    headers={"Authorization": f"token {upstream.token}"},
                    timeout=aiohttp.ClientTimeout(total=5),
                ) as answer:
                    if answer.status == 200:
                        return True
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.wait(
                {gone, stopping}, timeout=_PROBE_SECONDS, return_when="FIRST_COMPLETED"
            )
        return False

    async def _until_idle_or_gone(
        self, gone: asyncio.Task[int], stopping: asyncio.Task[bool]
    ) -> None:
        while not gone.done() and not stopping.done():
            left = self._idle_left()
            if left is not None and left <= 0:
                self._stop.set()
            await asyncio.wait({gone, stopping}, timeout=left, return_when="FIRST_COMPLETED")

    def _idle_left(self) -> float | None:
        if not self.settings.idle_seconds:
            return None
        if self._in_flight:
            return self.settings.idle_seconds
        return self._last_used + self.settings.idle_seconds - self._clock.monotonic()
