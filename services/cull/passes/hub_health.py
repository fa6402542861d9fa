"""Checks the Hub's health between passes: whether it is up, and since when."""

import logging
from datetime import datetime

from common.clock import Clock
from common.errors import HubError, HubNotFound, HubUnavailable
from common.hub.client import HubClient
from services.cull.policy.settle import Settle, process_start

log = logging.getLogger("cull")

#: A Hub that needs longer than this for its smallest response took no activity reports either.
SLOW_SECONDS = 30.0
RETRY_SECONDS = 1.0


class HubHealth:
    """Whether the Hub is up, and from when on idleness can be trusted.

    ``probe`` is a client that does not retry, so that each request shows the Hub's state at one
    moment. ``settle`` is kept up to date: see :class:`~services.cull.policy.settle.Settle`.
    """

    def __init__(self, probe: HubClient, settle_seconds: float, clock: Clock) -> None:
        self._probe = probe
        self._clock = clock
        self.settle = Settle(settle_seconds)
        self.up: bool | None = None
        self.reason = "the Hub has not been checked yet"

    @property
    def trust_idle_from(self) -> datetime | None:
        """See :attr:`Settle.trust_idle_from`."""
        return self.settle.trust_idle_from

    @property
    def settling(self) -> bool:
        """Whether idleness is not trusted at present."""
        return self.settle.settling(self._probe.hub_now())

    async def check_before_pass(self) -> None:
        """Check the Hub and its start time, where decisions depend on them."""
        if self.settle.seconds > 0:
            await self.check(read_start=True)

    async def check(self, *, read_start: bool = False) -> bool:
        """Whether the Hub is up; ``read_start`` also reads its start time from its metrics.

        The Hub is down if two requests in a row fail: one broken connection is not an outage.
        """
        began = self._clock.monotonic()
        try:
            try:
                await self._request()
            except HubUnavailable:
                await self._clock.sleep(RETRY_SECONDS)
                await self._request()
        except HubUnavailable as error:
            self.mark_down(str(error))
            return False
        except HubError as error:
            # An error response also shows that the Hub is up and receives activity reports.
            log.debug("Unexpected response from the Hub: %s", error)
        if self._clock.monotonic() - began > SLOW_SECONDS:
            self.mark_down(f"it took more than {SLOW_SECONDS:.0f} s to respond")
        await self._mark_up(read_start)
        return True

    async def _request(self) -> None:
        try:
            await self._probe.health()
        except HubNotFound:
            await self._probe.info()  # a proxy in between does not forward /health

    def mark_down(self, reason: str) -> None:
        """Record that the Hub could not be reached."""
        if self.up is not False:
            log.warning("The Hub is unreachable: %s", reason)
        self.up, self.reason = False, reason
        self.settle = self.settle.seen_down(self._clock.monotonic())

    async def _mark_up(self, read_start: bool) -> None:
        started = None
        if self.settle.seconds > 0 and (read_start or self.settle.counted_from is None):
            started = process_start(await self._probe.metrics())
        if self.up is False:
            log.info("The Hub is reachable again.")
        self.up, self.reason = True, ""
        # Read only now: a pass may have found the Hub down while this check was waiting.
        before, now = self.settle, self._probe.hub_now()
        self.settle = before.seen_up(now, self._clock.monotonic(), started)
        until = self.settle.trust_idle_from
        if self.settle.counted_from != before.counted_from and until and now < until:
            log.info(
                "Idle servers are not stopped until %s, so that all servers can report their"
                " activity to the Hub first.%s",
                until.isoformat(timespec="seconds"),
                ""
                if started
                else " (The Hub's start time is unknown; reading it needs the scope read:metrics.)",
            )
