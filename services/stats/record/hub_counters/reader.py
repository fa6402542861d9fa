"""Reads the Hub's counters with each poll. A failure is logged once and never fails the poll."""

import asyncio
import logging

from common.errors import HubError, HubForbidden
from common.hub.client import HubClient
from services.stats.record.hub_counters.parse import InvalidMetrics, Reading, parse

log = logging.getLogger(__name__)

SECONDS = 5.0
"""A Hub that needs longer for its metrics is busy: they are left out of this poll."""

MOST_BYTES = 8 * 1024 * 1024
"""Several times the page of a hub with 10,000 users."""


class CounterReader:
    """``problem`` says why the counters cannot be read; empty if they can, or were not yet read."""

    def __init__(self, hub: HubClient, *, seconds: float = SECONDS) -> None:
        self.problem = ""
        self._hub = hub
        self.seconds = seconds

    async def read(self) -> Reading | None:
        """The counters now; None if they cannot be read."""
        try:
            async with asyncio.timeout(self.seconds):
                page = await self._hub.metrics_page(most_bytes=MOST_BYTES)
            reading = parse(page)
        except HubForbidden:
            problem = "the token lacks the scope read:metrics"
        except TimeoutError:
            problem = f"no response within {self.seconds:.0f} s"
        except (HubError, InvalidMetrics) as error:
            problem = str(error)
        else:
            if self.problem:
                log.info("The Hub's metrics can be read again.")
            self.problem = ""
            return reading
        if problem != self.problem:
            log.info(
                "Starts and failures of servers are not counted, because the Hub's metrics cannot"
                " be read: %s",
                problem,
            )
        self.problem = problem
        return None
