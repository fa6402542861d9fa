"""One life of a formgrader: its process, its socket and its files, from the start to the end."""

import asyncio
import logging
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from common.clock import Clock
from services.formgrader_proxy.upstream.endpoint import Upstream
from services.formgrader_proxy.upstream.process.health import HealthCheck, Patience
from services.formgrader_proxy.upstream.process.launch import LaunchSettings, launch
from services.formgrader_proxy.upstream.process.listener import Listener
from services.formgrader_proxy.upstream.process.process import Process

log = logging.getLogger("formgrader")

_RETRY_SECONDS = 0.1
_CLEAN_UP_SECONDS = 1.0


class Life:
    """A process that was started. It has to end when it exits, or when ``stop`` is set."""

    def __init__(
        self,
        settings: LaunchSettings,
        process: Process,
        listener: Listener,
        upstream: Upstream,
        stop: asyncio.Event,
    ) -> None:
        self.upstream = upstream
        self.exited = asyncio.create_task(process.wait())
        self.stopping = asyncio.create_task(stop.wait())
        self._process = process
        self._listener = listener
        self._status_path = f"{settings.base_url}formgrader/api/status"

    @property
    def due(self) -> bool:
        """Whether it has to end, or has ended."""
        return self.exited.done() or self.stopping.done()

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process; None if it was still running at the end."""
        done = self.exited.done() and not self.exited.cancelled()
        return self.exited.result() if done else None

    async def wait(self, seconds: float | None, *others: asyncio.Task[Any]) -> None:
        """Wait until it is due, one of the tasks is done, or the time is over."""
        await asyncio.wait(
            {self.exited, self.stopping, *others}, timeout=seconds, return_when="FIRST_COMPLETED"
        )

    async def until_serving(self, seconds: float, clock: Clock) -> bool:
        """Wait until it responds. False: it does not within this time, or is due."""
        deadline = clock.monotonic() + seconds
        while not self.due and (remaining := deadline - clock.monotonic()) > 0:
            # Connecting always succeeds, and the server responds as soon as it has started.
            response = asyncio.create_task(self._responds(remaining))
            await self.wait(remaining, response)
            if response.done() and response.result():
                return True
            response.cancel()
            await self.wait(_RETRY_SECONDS)
        return False

    async def _responds(self, seconds: float) -> bool:
        try:
            async with self.upstream.session.get(
                f"{self.upstream.origin}{self._status_path}",
                headers=self.upstream.authorization,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def health(self, clock: Clock, patience: Patience) -> HealthCheck:
        """A check of the process while it serves."""
        return HealthCheck(
            self._listener.path,
            self._status_path,
            self.upstream.authorization,
            keeper=self._process.keeper,
            clock=clock,
            patience=patience,
        )


@asynccontextmanager
async def live(
    settings: LaunchSettings, stop: asyncio.Event, on_line: Callable[[str], None]
) -> AsyncIterator[Life]:
    """Start a formgrader; at the end of the block everything that it started has ended.

    ``on_line`` receives the lines of its log. Every step at the end has a time limit; together
    they take less than 11 s.

    :raises OSError, LookupError, ValueError: it cannot be started
    """
    private = Path(tempfile.mkdtemp(prefix="formgrader-"))
    try:
        with Listener() as listener:
            token = secrets.token_urlsafe(32)
            process = launch(settings, private, listener, token)
            reader = asyncio.create_task(_read_log(process, on_line))
            life = Life(settings, process, listener, Upstream.at(listener.url, token), stop)
            try:
                yield life
            finally:
                life.exited.cancel()
                life.stopping.cancel()
                await life.upstream.close()
                if not await process.end():
                    log.error("course %s: its formgrader does not end", settings.course_id)
                await _within_limit(reader)
    finally:  # the keeper may not have been able to
        await _within_limit(asyncio.to_thread(shutil.rmtree, private, ignore_errors=True))


async def _read_log(process: Process, on_line: Callable[[str], None]) -> None:
    async for line in process.lines():
        on_line(line)


async def _within_limit(work: Awaitable[None]) -> None:
    """Wait for something that should not take long, and abandon it if it does."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=_CLEAN_UP_SECONDS)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
