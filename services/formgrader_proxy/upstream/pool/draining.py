"""Processes that get no further requests and end after their running work."""

import asyncio
from collections.abc import Awaitable, Callable

from services.formgrader_proxy.upstream.endpoint import Upstream
from services.formgrader_proxy.upstream.external import External
from services.formgrader_proxy.upstream.pool.changes import Changes
from services.formgrader_proxy.upstream.pool.pool import Pool
from services.formgrader_proxy.upstream.process.launch import LaunchSettings


class Draining:
    """The pools and external formgraders, of all courses, that are being drained."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._tasks: dict[Pool | External, asyncio.Task[None]] = {}
        #: Those whose draining has not begun, because a job of several requests is not complete.
        self._waiting: set[Pool | External] = set()

    def begin(
        self, one: Pool | External, after: Callable[[], Awaitable[None]] | None = None
    ) -> "asyncio.Task[None]":
        """Drain ``one``, when ``after`` has completed. Returns the task that does so."""
        if after is not None:
            self._waiting.add(one)
        task = asyncio.create_task(self._drain(one, after))
        self._tasks[one] = task
        return task

    def delays_jobs_of(self, pool: Pool) -> bool:
        """Whether jobs that began earlier may still change the same gradebook or directory.

        Pages may not delay jobs: a browser that does not read its page would, for ten minutes.
        """
        for other in self._tasks:
            if other is pool:
                return False
            if not isinstance(other, Pool) or not _share(other.settings, pool.settings):
                continue
            if other.has_jobs or other in self._waiting:
                return True
        return False

    def owner(self, upstream: Upstream) -> Pool | External | None:
        """The one that ``upstream`` belongs to; None if it has ended."""
        return next((one for one in self._tasks if one.runs(upstream)), None)

    async def stop(self) -> None:
        """Stop everything now. Takes 11 s at most."""
        tasks = dict(self._tasks)
        await asyncio.gather(*(one.stop() for one in tasks))
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _drain(
        self, one: Pool | External, after: Callable[[], Awaitable[None]] | None
    ) -> None:
        try:
            if after is not None:
                await after()
            self._waiting.discard(one)
            await one.drain()
        finally:
            self._waiting.discard(one)
            del self._tasks[one]
            self._changes.notify()


def _share(one: LaunchSettings, other: LaunchSettings) -> bool:
    """Whether two formgraders change the same files or the same gradebook."""
    database = one.db_url_file is not None and one.db_url_file == other.db_url_file
    return one.directory == other.directory or database
