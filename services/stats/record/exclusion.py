"""Keep who is not counted in the database, and report patterns that match nobody.

Users are marked by a poll of all users, which sees their names before they are hashed, and whether
they are administrators. When that poll is written, the days with raw records are counted again.
"""

import logging
from collections.abc import Callable

from common.hub.models import User
from services.stats.record.poller import Poller
from services.stats.records import Poll
from services.stats.settings.exclusion import Exclusion
from services.stats.store.excluded import SUGGESTION, keep_unmatched, read_unmatched
from services.stats.store.store import Store

log = logging.getLogger(__name__)


class KeptExclusion:
    """The service's exclusion, and whether the database has it."""

    def __init__(
        self, store: Store, poller: Poller, exclusion: Exclusion, rename: Callable[[User], User]
    ) -> None:
        def name_of(name: str) -> str:
            return rename(User(name=name)).name

        poller.exclusion = exclusion
        self.stored = exclusion.hashed(name_of)
        """With users' names as the database has them."""
        self.unapplied = False
        """Whether the next complete poll of all users applies it."""
        self._store = store
        self._poller = poller
        self._given = dict(zip(self.stored.patterns, exclusion.patterns, strict=True))
        # A pseudonym tells nothing about the name that a glob is for.
        is_hashed = name_of("x") != "x"
        self._of_unlisted = self.stored.without_globs() if is_hashed else self.stored
        self._reported: list[str] = []

    async def compare(self) -> None:
        """Compare it with that of the database, whose last report is logged again."""
        kept = await self._store.kept_exclusion()
        self.unapplied = set(kept.patterns) != set(self.stored.patterns)
        self._poller.unlisted = self._of_unlisted if self.unapplied else None
        if not self.unapplied:
            self._report(await read_unmatched(self._store))

    async def polled(self, poll: Poll, *, leader: int) -> None:
        """After a poll is written: apply the exclusion if all users were listed.

        Raises StoreError.
        """
        if not (poll.whole and poll.full):
            return
        if self.unapplied:
            if await self._store.keep_exclusion(self.stored, leader=leader):
                listed = ", ".join(self._given.values())
                log.info("Not counted from now on: %s", listed or "nobody, so everybody counts")
            self.unapplied = False
            self._poller.unlisted = None
        self._report(await keep_unmatched(self._store, self.stored, self._poller.matched))

    def _report(self, unmatched: list[str]) -> None:
        for text in unmatched:
            if text not in self._reported:
                pattern, clause, hint = text.partition(SUGGESTION)
                shown = self._given.get(pattern, pattern) + clause + hint
                log.warning("--exclude: no user or group matches %s", shown)
        self._reported = unmatched
