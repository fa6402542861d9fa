"""Poll the Hub: request the pages of users that can have changed, and sample them."""

import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import cast
from zoneinfo import ZoneInfo

from common.clock import Clock, SystemClock
from common.errors import HubBadResponse, HubError
from common.hub.client import HubClient
from common.hub.models import User
from services.stats.record.hub_counters.compare import count_spawns
from services.stats.record.hub_counters.reader import SECONDS, CounterReader
from services.stats.record.observed import whole_second
from services.stats.record.sampler import PollContext, Sampler
from services.stats.recorder_state import LONG_AGO, State
from services.stats.records import GAP, Changes
from services.stats.settings.exclusion import NOBODY, Exclusion

log = logging.getLogger(__name__)

_INCOMPLETE = "the list of users changed while it was read, or is shorter than its total"

MAX_LOGGED_PROBLEMS = 20
"""Invalid values logged one by one for each poll; the rest are only counted."""


@dataclass(frozen=True)
class Polled:
    """The outcome of one poll of the Hub."""

    changes: Changes
    error: str = ""
    """Why the poll is incomplete; empty if it is complete."""


class Poller:
    """Polls one Hub.

    ``interval`` and ``full_interval`` are the configured seconds between polls, and between
    listings of all users. ``rename`` is applied to every user (see ``pseudonyms``). ``by_account``:
    a name that is used again is another person. ``zone`` is the one in which days begin.
    """

    def __init__(
        self,
        hub: HubClient,
        *,
        interval: int,
        full_interval: int,
        rename: Callable[[User], User] = lambda user: user,
        by_account: bool = False,
        zone: ZoneInfo | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.hub = hub
        # Even with a short interval, waiting for these must not look like a gap.
        self.counters = CounterReader(hub, seconds=min(SECONDS, interval / 4))
        self.groups_readable = True
        """False: the token may not read groups, so memberships stay as they are."""
        self.exclusion = NOBODY
        """Users who are not counted, by their names at the Hub."""
        self.unlisted: Exclusion | None = None
        """See ``PollContext``."""
        self.matched: set[str] = set()
        """The globs for users of which a poll has seen a user."""
        self._interval = interval
        self._full_interval = timedelta(seconds=full_interval)
        self._rename = rename
        self._by_account = by_account
        self._zone = zone or ZoneInfo("UTC")
        self._clock = clock or SystemClock()
        self._logged: set[str] = set()

    async def poll(self, state: State) -> Polled:
        """What has changed since the state. An error of the Hub is part of the result."""
        start = self._clock.monotonic()
        now = self.hub.hub_now()
        context = PollContext(
            now=now,
            interval=self._interval,
            full=state.last_full is None or now - state.last_full >= self._full_interval,
            groups_readable=self.groups_readable,
            by_account=self._by_account,
            unlisted=self.unlisted,
        )
        sampler = Sampler(state, context)
        broken = self.hub.broken_items
        full, error = False, ""
        try:
            full = await self._read(sampler)
        except HubError as exc:
            error = str(exc)
        if self.hub.broken_items > broken:
            error = error or f"{self.hub.broken_items - broken} users could not be read"
        if error:
            log.warning("Incomplete poll: %s", error)
        changes = sampler.finish(
            complete=not error,
            full=full,
            milliseconds=round((self._clock.monotonic() - start) * 1000),
        )
        if (reading := await self.counters.read()) is not None:
            longest = GAP * timedelta(seconds=self._interval)
            count_spawns(state, changes, reading, whole_second(now), longest, self._zone)
        self._log_problems(changes.problems)
        changes.problems = []
        return Polled(changes, error)

    async def _read(self, sampler: Sampler) -> bool:
        """Read the pages; return whether all users were listed.

        :raises HubError: a listing could not be read, or was incomplete twice
        """
        full = sampler.context.full
        await self._observe(sampler, state="active")
        if not full:
            last_poll = cast("datetime", sampler.state.last_poll)
            await self._observe(sampler, until=last_poll, sort="-last_activity")
        if not full and not sampler.needs_full_listing():
            return False
        await self._observe(sampler)
        return True

    async def _observe(
        self, sampler: Sampler, *, until: datetime | None = None, **listing: str
    ) -> None:
        """Observe a listing, up to the page that goes back to ``until``.

        It is read a second time if it changed too much, or is shorter than the Hub said.

        :raises HubError: it could not be read, or was incomplete both times
        """
        for _ in range(2):
            gaps = self.hub.gaps
            sampler.begin_listing()
            async with aclosing(self.hub.users(**listing)) as pages:
                async for page in pages:
                    sampler.observe(map(self._rename, page), self._excluded(page))
                    if until is not None and _reaches(page, until):
                        break
            if self.hub.gaps == gaps:
                return
        raise HubBadResponse(_INCOMPLETE, method="GET")

    def _excluded(self, page: Sequence[User]) -> set[str]:
        """The stored names of the users who are not counted: found before names are hashed."""
        excluded: set[str] = set()
        if not self.exclusion:
            return excluded
        for user in page:
            if self.exclusion.matches(user.name, admin=user.admin):
                excluded.add(self._rename(user).name)
                self.matched.update(self.exclusion.globs_for(user.name))
        return excluded

    def _log_problems(self, problems: Sequence[str]) -> None:
        """Log each invalid value once, and again only after a poll without it."""
        new = [problem for problem in problems if problem not in self._logged]
        for problem in new[:MAX_LOGGED_PROBLEMS]:
            log.warning("Unexpected response from the Hub: %s", problem)
        if len(new) > MAX_LOGGED_PROBLEMS:
            log.warning("%d more unexpected values", len(new) - MAX_LOGGED_PROBLEMS)
        self._logged = set(problems)


def _reaches(page: Sequence[User], last_poll: datetime) -> bool:
    """Whether this page, latest activity first, goes back to the last poll.

    JupyterHub 4 ignores the order. A page that is not in order never goes back far enough, so
    all pages are read.
    """
    times = [u.last_activity for u in page if "last_activity" not in u.problems]
    order = [time or LONG_AGO for time in times]
    if any(following > time for time, following in pairwise(order)):
        return False
    return any(time is None or time <= last_poll for time in times)
