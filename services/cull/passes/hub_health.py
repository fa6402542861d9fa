"""Looks after the Hub between passes: is it there, and since when?"""

import logging
from datetime import datetime

from common.clock import Clock
from common.errors import HubError, HubNotFound, HubUnavailable
from common.hub.client import HubClient
from services.cull.policy.settle import Settle, process_start

log = logging.getLogger("cull")

#: A Hub that takes longer for the smallest answer did not take its servers' reports either.
SLOW_SECONDS = 30.0
AGAIN_SECONDS = 1.0


class HubWatch:
    """Keeps :class:`~services.cull.policy.settle.Settle` up to date.

    ``probe`` is a client that does not repeat its requests, so that each tells the Hub's
    state at one moment.
    """

    def __init__(self, probe: HubClient, settle_seconds: float, clock: Clock) -> None:
        self._probe = probe
        self._clock = clock
        self.settle = Settle(settle_seconds)
        self.up: bool | None = None
        self.reason = "the Hub was not asked yet"

    @property
    def believe_from(self) -> datetime | None:
        """See :attr:`Settle.believe_from`."""
        return self.settle.believe_from

    @property
    def settling(self) -> bool:
        """Whether no idleness is believed at present."""
        return self.settle.settling(self._probe.hub_now())

    async def refresh(self) -> None:
        """Learn what can be learnt, where it matters."""
        if self.settle.seconds > 0:
            await self.look(closely=True)

    async def look(self, *, closely: bool = False) -> bool:
        """Ask the Hub for a sign of life; ``closely`` asks for its start, too.

        It is down if it is so twice: a single broken connection is no outage.
        """
        begun = self._clock.monotonic()
        try:
            try:
                await self._ask()
            except HubUnavailable:
                await self._clock.sleep(AGAIN_SECONDS)
                await self._ask()
        except HubUnavailable as error:
            self.note_down(str(error))
            return False
        except HubError as error:
            # It answers, though not as it should: somebody is there and takes reports.
            log.debug("the Hub answers oddly: %s", error)
        if self._clock.monotonic() - begun > SLOW_SECONDS:
            self.note_down(f"it took more than {SLOW_SECONDS:.0f} s to say who it is")
        await self._note_up(closely)
        return True

    async def _ask(self) -> None:
        try:
            await self._probe.health()
        except HubNotFound:
            await self._probe.info()  # there is something else in between that knows no health

    def note_down(self, reason: str) -> None:
        """The Hub was found out of reach."""
        if self.up is not False:
            log.warning("The Hub is out of reach: %s", reason)
        self.up, self.reason = False, reason
        self.settle = self.settle.seen_down(self._clock.monotonic())

    async def _note_up(self, closely: bool) -> None:
        started = None
        asked = self.settle.seconds > 0 and (closely or self.settle.counted_from is None)
        if asked:
            started = process_start(await self._probe.metrics())
        if self.up is False:
            log.info("The Hub is there again.")
        self.up, self.reason = True, ""
        # Not what it was before the question: somebody else may have found the Hub down since.
        before, now = self.settle, self._probe.hub_now()
        self.settle = before.seen_up(now, self._clock.monotonic(), started)
        until = self.settle.believe_from
        if self.settle.counted_from != before.counted_from and until and now < until:
            log.info(
                "No idleness is believed until %s: first, servers must report to the Hub.%s",
                until.isoformat(timespec="seconds"),
                ""
                if started
                else " (When the Hub started is not known: that takes the scope read:metrics.)",
            )
