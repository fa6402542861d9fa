"""Writes what happened in jobs to the database, and keeps it while the database is unavailable."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from common.clock import Clock
from common.errors import StoreError, StoreRejected
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.store.job import Item, Job
from services.formgrader_proxy.store.jobs import JobStore

log = logging.getLogger("formgrader")

#: Seconds between two attempts to write to a database that is unavailable.
RETRY_SECONDS = 5.0


@dataclass
class _Unsaved:
    """What has to be written: changed jobs with their changed items, and outcomes for the audit."""

    jobs: dict[Job, set[Item]] = field(default_factory=dict)
    outcomes: dict[int, tuple[int, bool | None]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.jobs or self.outcomes)


class Recorder:
    """Collects changes and writes them. A change stays here until it is in the database."""

    def __init__(self, store: JobStore, audit: Audit, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock
        self._unsaved = _Unsaved()
        self._writing = asyncio.Lock()
        self._retrying: asyncio.Task[None] | None = None

    def changed(self, job: Job, *items: Item) -> None:
        """Note a change of a job and of these of its items. Call :meth:`write` afterwards."""
        self._unsaved.jobs.setdefault(job, set()).update(items)

    def finished(self, number: int, status: int, succeeded: bool | None) -> None:
        """Note the outcome of a change whose row in the audit has this number."""
        self._unsaved.outcomes[number] = (status, succeeded)

    def holds(self, job: Job) -> bool:
        """Whether something of a job is not in the database yet."""
        return job in self._unsaved.jobs

    async def write(self) -> None:
        """Write everything. If that fails, it is tried again in the background."""
        if not await self._write() and self._retrying is None:
            self._retrying = asyncio.create_task(self._retry())

    async def close(self) -> None:
        """Write everything, with one attempt."""
        if self._retrying is not None:
            self._retrying.cancel()
        await self._write()

    async def _retry(self) -> None:
        try:
            while True:
                await self._clock.sleep(RETRY_SECONDS)
                if await self._write():
                    log.info("the outcomes of jobs were recorded")
                    return
        finally:
            self._retrying = None

    async def _write(self) -> bool:
        async with self._writing:
            taken, self._unsaved = self._unsaved, _Unsaved()
            try:
                await self._write_all(taken)
            except StoreError as error:
                log.error("%s; the outcomes of jobs are recorded later", error)
            finally:
                self._put_back(taken)
        return not taken

    async def _write_all(self, unsaved: _Unsaved) -> None:
        for number, outcome in list(unsaved.outcomes.items()):
            with _rejections(f"entry {number} of the audit log has no outcome"):
                await self._audit.finish(number, *outcome)
            del unsaved.outcomes[number]
        for job, items in list(unsaved.jobs.items()):
            with _rejections(f"the latest state of job {job.id} is not recorded"):
                await self._store.update(job, items)
            del unsaved.jobs[job]

    def _put_back(self, unsaved: _Unsaved) -> None:
        for job, items in unsaved.jobs.items():
            self._unsaved.jobs.setdefault(job, set()).update(items)
        for number, outcome in unsaved.outcomes.items():
            self._unsaved.outcomes.setdefault(number, outcome)


@contextmanager
def _rejections(what: str) -> Iterator[None]:
    """Log what the database does not accept: it never would, however often it is tried."""
    try:
        yield
    except StoreRejected as error:
        log.error("%s; %s", error, what)
