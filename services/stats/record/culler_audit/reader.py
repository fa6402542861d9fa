"""Reads the culler's audit log. A failure is logged once and never fails a poll."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

import aiohttp
import msgspec
from yarl import URL

from common.clock import Clock
from common.errors import HubError, HubForbidden
from common.hub.http import HUB_ERRORS, Api, Request
from common.hub.retry import NO_RETRY
from services.stats.intervals import Interval
from services.stats.scopes import CULLER_AUDIT_SCOPE

log = logging.getLogger(__name__)

PAGE = 1000
"""Events requested together: the most that the culler gives."""

MOST_PAGES = 5
"""Read for one poll."""

SECONDS = 10.0
"""A culler that needs longer is left out of this poll."""

MOST_BYTES = 4 * 1024 * 1024

STOPS = ("stop", "remove")
CERTAIN = ("done", "overdue")
"""The outcomes after which the server has stopped because of the culler."""


Time = Annotated[datetime, msgspec.Meta(tz=True)]

YEARS = range(1970, 2200)
"""The years in which events can have taken place."""


class Event(msgspec.Struct, frozen=True):
    """The fields of an event that matter here. Source: ``services/cull/web/api/types.py``."""

    at: Time
    action: str
    name: str
    server: str | None = None
    outcome: str = ""


class Page(msgspec.Struct, frozen=True):
    """A page of the audit log, the newest events first."""

    events: list[Event]
    next_before: int | None = None
    complete_since: Time | None = None
    complete_until: Time | None = None


class StopsRead(NamedTuple):
    """The stops since some time, and when the log has every one of them; None: never."""

    stops: list[Event]
    complete: Interval | None


class AuditReader:
    """``url`` is that of the culler's pages, with a slash at the end.

    ``seconds``: how long the log may take, with all its pages.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        token: str,
        *,
        clock: Clock,
        seconds: float = SECONDS,
    ) -> None:
        self.problem = ""
        self._url = url.rstrip("/") + "/api/audit"
        self._api = Api(session, token, HUB_ERRORS, clock, NO_RETRY, seconds)
        self._seconds = seconds
        self._decode: Callable[[bytes], Page] = msgspec.json.Decoder(Page).decode

    async def read(self, since: datetime) -> StopsRead | None:
        """The stops since then; None if the log cannot be read."""
        try:
            async with asyncio.timeout(self._seconds):
                read = await self._read(since)
        except HubForbidden:
            problem = (
                "the token needs access to the culler's service, and the scope"
                f" {CULLER_AUDIT_SCOPE}"
            )
        except TimeoutError:
            problem = f"no response within {self._seconds:.0f} s"
        except HubError as error:
            problem = str(error)
        else:
            if self.problem:
                log.info("The culler's audit log can be read again.")
            self.problem = ""
            return read
        if problem != self.problem:
            log.info(
                "It is not recorded which servers the culler stopped, because its audit log cannot"
                " be read: %s",
                problem,
            )
        self.problem = problem
        return None

    async def _read(self, since: datetime) -> StopsRead:
        stops: list[Event] = []
        complete: Interval | None = None
        oldest: datetime | None = None
        before: int | None = None
        for number in range(MOST_PAGES):
            page = await self._page(before)
            if number == 0 and page.complete_since and page.complete_until:
                complete = Interval(page.complete_since, page.complete_until)
            stops += [e for e in page.events if e.action in STOPS and e.server is not None]
            before = page.next_before
            oldest = min((event.at for event in page.events), default=oldest)
            if before is None or (oldest is not None and oldest < since):
                return StopsRead(stops, complete)
        if complete is not None and oldest is not None:
            complete = Interval(max(complete.start, oldest + timedelta(seconds=1)), complete.end)
        return StopsRead(stops, complete)

    async def _page(self, before: int | None) -> Page:
        query = {"limit": str(PAGE)} | ({} if before is None else {"before": str(before)})
        pages: list[Page] = []
        request = Request(
            "GET", URL(self._url, encoded=True).with_query(query), most_bytes=MOST_BYTES
        )
        await self._api.send(request, check=lambda body: pages.append(self._checked(body)))
        return pages[-1]

    def _checked(self, body: bytes) -> Page:
        """The page in a body. Raises ValueError if it is none, or a time is impossible."""
        page = self._decode(body)
        times = [*(event.at for event in page.events), page.complete_since, page.complete_until]
        if any(time is not None and time.year not in YEARS for time in times):
            raise ValueError("a time is impossible")
        return page
