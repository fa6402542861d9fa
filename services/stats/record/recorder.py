"""Polls the Hub and writes what has changed: one poll, one transaction.

While the database is away polling goes on, and what has changed is kept together, no larger
than what it touches, to be written at once when the database is back. Another recorder on
the same database waits, and takes over when this one is gone.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import cast

from common.clock import Clock, SystemClock
from common.errors import HubError, StoreRejected, StoreUnavailable
from common.hub.client import HubClient
from common.hub.models import User
from services.stats.record.sampler import Look, Sampling
from services.stats.record.state import LONG_AGO, State
from services.stats.records import Changes, Poll
from services.stats.store.daily_rows import roll_up_until
from services.stats.store.leader_lock import Lock, lock_for
from services.stats.store.store import LeadLost, Store

log = logging.getLogger(__name__)

FULL_LISTING_PROBLEMS = 20
"""So many odd things of one poll are told one by one."""


@dataclass(frozen=True)
class Settings:
    """How to record."""

    interval: int = 300
    """Seconds between polls."""
    full_interval: int = 6 * 3600
    """Seconds between listings of all users, for deletions and groups."""
    retention: timedelta | None = None
    """How long raw records are kept; None: for ever. Rows of a day are kept anyway."""
    backlog_rows: int = 300_000
    """With so many rows waiting for the database, polling waits too (about 100 MB)."""
    groups_readable: bool = True


@dataclass(frozen=True)
class PollResult:
    """One poll: what was seen, and whether it is in the database."""

    poll: Poll | None
    """None: the Hub was not asked, since too much waits for the database."""
    written: bool
    backlog: int
    """Rows that wait for the database."""
    write_seconds: float = 0.0
    error: str = ""
    """What went wrong at the Hub or the database, for a person."""


class Recorder:
    """Use ``lead`` until it is true, then ``poll`` once an interval."""

    def __init__(
        self,
        hub: HubClient,
        store: Store,
        settings: Settings,
        *,
        rename: Callable[[User], User] = lambda user: user,
        clock: Clock | None = None,
        lock: Lock | None = None,
    ) -> None:
        self.hub = hub
        self.store = store
        self.settings = settings
        self.rename = rename
        self.clock = clock or SystemClock()
        self.lock = lock or lock_for(store.database)
        self.state = State()
        self.pending = Changes()
        self.leader = 0
        """Our number; 0 while another records."""
        self._told: set[str] = set()
        self._away = False

    async def lead(self) -> bool:
        """Try to become the one who records; nothing happens if we are already.

        Raises StoreUnavailable while the database is out of reach.
        """
        if self.leader:
            return True
        if not await self.lock.acquire():
            return False
        leader = await self.store.take_lead()
        self.state = await self.store.load_state()
        self.pending = Changes()
        self.leader = leader
        log.info(
            "recording: %d users, %d running servers known, last poll %s",
            len(self.state.people),
            len(self.state.running),
            self.state.last_poll or "never",
        )
        return True

    async def close(self) -> None:
        """Try once more to write what waits, and let another take over."""
        if self.leader and len(self.pending):
            await self._write()
        self.leader = 0
        await self.lock.release()

    async def poll(self) -> PollResult:
        """Look at the Hub once, and write. Errors of Hub and database are in the result."""
        if len(self.pending) > self.settings.backlog_rows:
            error = await self._write()
            if error:
                return PollResult(None, written=False, backlog=len(self.pending), error=error)
        poll, hub_error = await self._look()
        begin = self.clock.monotonic()
        error = await self._write()
        seconds = self.clock.monotonic() - begin
        written = not error
        if written:
            error = await self._care_for_days()
        return PollResult(
            poll,
            written=written,
            backlog=len(self.pending),
            write_seconds=seconds,
            error=hub_error or error,
        )

    # -- the Hub

    async def _look(self) -> tuple[Poll, str]:
        begin = self.clock.monotonic()
        look = Look(
            now=self.hub.hub_now(),
            interval=self.settings.interval,
            full=self._full_is_due(self.hub.hub_now()),
            groups_readable=self.settings.groups_readable,
        )
        sampling = Sampling(self.state, look)
        broken, gaps = self.hub.broken_items, self.hub.gaps
        full, error = False, ""
        try:
            full = await self._read(sampling, look)
        except HubError as exc:
            error = str(exc)
            log.warning("poll: %s", exc)
        if self.hub.broken_items > broken:
            error = error or f"{self.hub.broken_items - broken} users could not be read"
            log.warning("poll: %s", error)
        elif self.hub.gaps > gaps and not error:
            error = "so many came or went while users were listed that some may be missing"
            log.warning("poll: %s", error)
        changes = sampling.finish(
            whole=not error,
            full=full,
            milliseconds=round((self.clock.monotonic() - begin) * 1000),
        )
        del sampling  # and with it every page
        self._tell(changes.problems)
        changes.problems = []
        self.state.apply(changes)
        self.pending.update(changes)
        (poll,) = changes.polls.values()
        return poll, error

    async def _read(self, sampling: Sampling, look: Look) -> bool:
        """Read the pages; whether everybody was listed."""
        async with aclosing(self.hub.users(state="active")) as pages:
            async for page in pages:
                sampling.see(map(self.rename, page))
        if not look.full:
            async with aclosing(self.hub.users(sort="-last_activity")) as pages:
                async for page in pages:
                    sampling.see(map(self.rename, page))
                    if self._is_old(page):
                        break
        if not look.full and not sampling.wants_full():
            return False
        async with aclosing(self.hub.users()) as pages:
            async for page in pages:
                sampling.see(map(self.rename, page))
        return True

    def _is_old(self, page: Sequence[User]) -> bool:
        """Whether the page, newest first, has come to where the last poll was.

        JupyterHub 4 does not sort. There the page is not newest first, and all are read.
        """
        last = cast("datetime", self.state.last_poll)
        times = [u.last_activity for u in page if "last_activity" not in u.problems]
        order = [time or LONG_AGO for time in times]
        if any(following > time for time, following in pairwise(order)):
            return False
        return any(time is None or time <= last for time in times)

    def _full_is_due(self, now: datetime) -> bool:
        last = self.state.last_full
        return last is None or now - last >= timedelta(seconds=self.settings.full_interval)

    def _tell(self, problems: Sequence[str]) -> None:
        """Log what is odd once, until it has been gone for a poll."""
        news = [problem for problem in problems if problem not in self._told]
        for problem in news[:FULL_LISTING_PROBLEMS]:
            log.warning("odd answer of the Hub: %s", problem)
        if len(news) > FULL_LISTING_PROBLEMS:
            log.warning("and %d more odd answers", len(news) - FULL_LISTING_PROBLEMS)
        self._told = set(problems)

    # -- the database

    async def _write(self) -> str:
        """Write what waits; what went wrong, or nothing."""
        try:
            await self._keep_lock()
            stale = await self.store.write(self.pending, leader=self.leader)
            self.pending = Changes()
            if stale:
                self.state = await self.store.load_state()
        except LeadLost as exc:
            log.warning("%s; waiting until it is gone", exc)
            self.leader = 0
            self.pending = Changes()
            await self.lock.release()
            return str(exc)
        except StoreRejected as exc:
            # It would fail for ever: give up these polls, and begin from what is written.
            log.error("the database rejected a poll, which is lost: %s", exc)
            self.pending = Changes()
            self.state = await self.store.load_state()
            return str(exc)
        except StoreUnavailable as exc:
            if not self._away:
                log.warning("the database is unavailable, polling continues: %s", exc)
            self._away = True
            return f"the database is unavailable: {exc}"
        if self._away:
            log.info("the database is available again")
        self._away = False
        return ""

    async def _keep_lock(self) -> None:
        """Get the lock again if its connection broke. The store knows if another led since."""
        if not await self.lock.held() and not await self.lock.acquire():
            raise LeadLost("another recorder has taken over this database")

    async def _care_for_days(self) -> str:
        if self.state.last_poll is None:
            return ""
        try:
            for day in await roll_up_until(self.store, self.state.last_poll):
                log.info("rolled up %s", day)
            if self.settings.retention is not None:
                rows = await self.store.prune(self.state.last_poll - self.settings.retention)
                if rows:
                    log.info("pruned %d raw records", rows)
        except StoreUnavailable as exc:
            return f"the database is unavailable: {exc}"
        return ""
