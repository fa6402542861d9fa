"""The time on the Hub's clock, derived from the ``Date`` header of its responses."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from common.clock import as_utc

#: A ``Date`` header has a resolution of one second.
_RESOLUTION = timedelta(seconds=1)


class HubClock:
    """A clock that is never ahead of the Hub's, so that no user appears idler than they are.

    The Hub sets ``Date`` when it receives a request, so a slow response carries an old time.
    Each ``Date`` is a lower bound of the Hub's time. The highest one counts, unless a response
    shows that the Hub's clock was set back. The local wall clock is not used.
    """

    def __init__(self) -> None:
        self.date: datetime | None = None
        self._at = 0.0

    def observe(self, date: datetime, arrived: float, seconds: float) -> None:
        """Record a ``Date`` from a response that arrived at a local monotonic time.

        ``seconds`` is how long the request took.
        """
        if date is self.date and 0.0 <= arrived - self._at <= seconds + 1.0:
            return  # unchanged; a busy Hub sends the same second many times
        latest = date + timedelta(seconds=seconds) + _RESOLUTION
        now = self.now(arrived)
        if now is None or not date <= now <= latest:
            self.date, self._at = date, arrived

    def now(self, monotonic: float) -> datetime | None:
        """The Hub's time at a local monotonic time; None if no ``Date`` was observed yet."""
        if self.date is None:
            return None
        return self.date + timedelta(seconds=monotonic - self._at)


@lru_cache(maxsize=32)  # a busy Hub sends the same second many times
def parse_http_date(value: str | None) -> datetime | None:
    """The time in an HTTP date header, aware and in UTC; None if missing or invalid."""
    if not value:
        return None
    try:
        return as_utc(parsedate_to_datetime(value))
    except (ValueError, OverflowError, TypeError):
        return None
