"""Poll the Hub and write what changed: each poll is one transaction.

While the database is unavailable, polling continues. The changes are merged, so that they grow no
larger than the records they touch, and written in one transaction when it is available again.
Any other recorder on the same database waits until this one is gone, and then takes over.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.clock import Clock, SystemClock
from common.errors import StoreError, StoreRejected, StoreUnavailable
from common.hub.client import HubClient
from common.hub.models import User
from services.stats.record.culler_audit.decisions import CullDecisions
from services.stats.record.culler_audit.verdicts import GIVE_UP
from services.stats.record.exclusion import KeptExclusion
from services.stats.record.poller import Poller
from services.stats.recorder_state import State
from services.stats.records import Changes, Poll
from services.stats.settings.exclusion import NOBODY, Exclusion
from services.stats.settings.terms import Terms, terms_as_text
from services.stats.store.daily.rows import roll_up_until
from services.stats.store.leader_lock import Lock, lock_for
from services.stats.store.store import LeadershipLost, Store

log = logging.getLogger(__name__)

COUNTING = 0.7
"""The part of an interval after which no further day is rolled up before the next poll."""


@dataclass(frozen=True)
class RecorderSettings:
    """How to record."""

    interval: int = 300
    """Seconds between polls."""
    full_interval: int = 6 * 3600
    """Seconds between listings of all users, which find deleted users and changed groups."""
    retention: timedelta | None = None
    """How long to keep detailed records; None: forever. Daily totals are always kept."""
    group_life: timedelta | None = timedelta(days=60)
    """How long a group must have been empty until new members start another one of that name, so
    that next year's instructors do not see last year's students. None: never."""
    by_account: bool = False
    """Whether an account that was deleted and made again is another person of the same name."""
    exclusion: Exclusion = NOBODY
    """Users who are not counted, by their names at the Hub."""
    terms: Terms = ()
    """For reports and pages by term."""
    backlog_rows: int = 300_000
    """Stop polling while more rows than this wait for the database (about 100 MB)."""


@dataclass(frozen=True)
class PollResult:
    """One poll: what it saw, and whether it is in the database."""

    poll: Poll | None
    """None: the Hub was not polled because too many rows wait for the database."""
    written: bool
    backlog: int
    """Rows that wait for the database."""
    write_seconds: float = 0.0
    error: str = ""
    """What went wrong at the Hub or the database, for people to read."""


class Recorder:
    """Call ``acquire_leadership`` until it returns True, then ``poll`` once an interval."""

    def __init__(
        self,
        hub: HubClient,
        store: Store,
        settings: RecorderSettings,
        *,
        rename: Callable[[User], User] = lambda user: user,
        clock: Clock | None = None,
        lock: Lock | None = None,
        culls: CullDecisions | None = None,
    ) -> None:
        """``culls``: who finds out which servers the culler stopped; None: it is not known."""
        self.store = store
        self.culls = culls
        self.settings = settings
        self.clock = clock or SystemClock()
        self.lock = lock or lock_for(store.database)
        self.poller = Poller(
            hub,
            interval=settings.interval,
            full_interval=settings.full_interval,
            rename=rename,
            by_account=settings.by_account,
            zone=store.zone,
            clock=self.clock,
        )
        self.exclusion = KeptExclusion(store, self.poller, settings.exclusion, rename)
        self.state = State()
        self.pending = Changes()
        self.leader_number = 0
        """Passed with every write, which fails if another recorder has taken over since."""
        self.counting = False
        """Whether days remain to be counted: after a change of ``--exclude``, years of them."""
        self._database_unavailable = False

    @property
    def is_leader(self) -> bool:
        """Whether this is the one recorder that writes."""
        return self.leader_number > 0

    def ignore_groups(self) -> None:
        """Leave memberships as they are, because the token may not read groups."""
        self.poller.groups_readable = False

    async def acquire_leadership(self) -> bool:
        """Try to become the recorder that writes; return whether this is the one.

        Raises StoreUnavailable while the database is unavailable.
        """
        if self.is_leader:
            return True
        if not await self.lock.acquire():
            return False
        number = await self.store.take_leadership()
        await self.store.keep_terms(terms_as_text(self.settings.terms))
        self.state = await self.store.load_state()
        self.pending = Changes()
        await self._resume_culls()
        await self.exclusion.compare()
        self.leader_number = number  # last: if the database fails before, all is done again
        log.info(
            "Recording: %d users and %d running servers known; last poll: %s",
            len(self.state.people),
            len(self.state.running),
            self.state.last_poll or "never",
        )
        return True

    async def close(self) -> None:
        """Try once more to write pending changes, then let another recorder take over."""
        if self.is_leader and len(self.pending):
            await self._write()
        self.leader_number = 0
        await self.lock.release()

    async def poll(self) -> PollResult:
        """Poll the Hub once and write. Errors of Hub and database are part of the result."""
        until = self.clock.monotonic() + COUNTING * self.settings.interval
        if len(self.pending) > self.settings.backlog_rows:
            error = await self._write()
            if error:
                return PollResult(None, written=False, backlog=len(self.pending), error=error)
        if self.exclusion.unapplied:
            self.state.last_full = None  # list all users: their names are known only at the Hub
        polled = await self.poller.poll(self.state)
        (poll,) = polled.changes.polls.values()
        self.state.apply(polled.changes)
        if self.culls is not None:
            await self.culls.add(polled.changes, self.state)
        self.pending.update(polled.changes)
        start = self.clock.monotonic()
        error = await self._write()
        seconds = self.clock.monotonic() - start
        written = not error
        if written:
            error = await self._keep_exclusion(poll) or await self._roll_up_and_prune(until)
        return PollResult(
            poll,
            written=written,
            backlog=len(self.pending),
            write_seconds=seconds,
            error=polled.error or error,
        )

    async def _keep_exclusion(self, poll: Poll) -> str:
        try:
            if self.exclusion.unapplied or poll.full:
                await self.exclusion.polled(poll, leader=self.leader_number)
        except StoreError as exc:
            return str(exc)
        return ""

    async def _write(self) -> str:
        """Write the pending changes; return what went wrong, or an empty string."""
        try:
            await self._keep_lock()
            stale = await self.store.write(self.pending, leader=self.leader_number)
            self.pending = Changes()
            if stale:
                self.state = await self.store.load_state()
                await self._resume_culls()
        except LeadershipLost as exc:
            log.warning("%s; waiting until it stops", exc)
            self.leader_number = 0
            self.pending = Changes()
            await self.lock.release()
            return str(exc)
        except StoreRejected as exc:
            # Retrying would fail forever: drop these polls, continue from what is written.
            log.error("The database rejected a poll, which is lost: %s", exc)
            self.pending = Changes()
            self.state = await self.store.load_state()
            await self._resume_culls()
            return str(exc)
        except StoreUnavailable as exc:
            if not self._database_unavailable:
                log.warning("The database is unavailable; polling continues: %s", exc)
            self._database_unavailable = True
            return f"the database is unavailable: {exc}"
        if self._database_unavailable:
            log.info("The database is available again")
        self._database_unavailable = False
        return ""

    async def _resume_culls(self) -> None:
        """Decide about the sessions in the database: others may be of people since forgotten."""
        last = self.state.last_poll
        if self.culls is not None:
            sessions = await self.store.undecided_sessions(last - GIVE_UP) if last else []
            self.culls.begin(sessions, last)

    async def _keep_lock(self) -> None:
        """Acquire the lock again if its connection broke.

        Should another recorder have been the leader meanwhile, the store rejects the write.
        """
        if not await self.lock.held() and not await self.lock.acquire():
            raise LeadershipLost("another recorder has taken over this database")

    async def _end_groups(self, empty_since: datetime) -> None:
        for name, ended in (await self.store.end_groups(empty_since)).items():
            if name in self.state.groups:
                self.state.groups[ended] = self.state.groups.pop(name)
            log.info(
                "Group %s has had no members for a long time; its records are kept as %s",
                name,
                ended,
            )

    async def _roll_up_and_prune(self, until: float) -> str:
        if self.state.last_poll is None:
            return ""

        def go_on() -> bool:
            return self.clock.monotonic() < until

        try:
            rolled_up = await roll_up_until(self.store, self.state.last_poll, go_on=go_on)
            self.counting = bool(rolled_up) and not go_on()
            for day in rolled_up:
                log.info("Rolled up %s", day)
            if rolled_up and self.settings.group_life is not None:
                await self._end_groups(self.state.last_poll - self.settings.group_life)
            if self.settings.retention is not None:
                rows = await self.store.prune(self.state.last_poll - self.settings.retention)
                if rows:
                    log.info("Deleted %d detailed records older than the retention time", rows)
        except StoreUnavailable as exc:
            return f"the database is unavailable: {exc}"
        except StoreError as exc:
            log.error("The days that are over cannot be counted: %s", exc)
            return str(exc)
        return ""
