"""The time on the Hub's clock, from the ``Date`` of its answers."""

from datetime import datetime, timedelta

#: A ``Date`` has whole seconds.
_RESOLUTION = timedelta(seconds=1)


class HubClock:
    """Behind the Hub rather than ahead, so that nobody looks idler than they are.

    The Hub writes its ``Date`` when a request comes in, so an answer that took long tells an
    old time. Each is a lower bound of the Hub's time, and the highest of them is believed,
    unless an answer shows that the Hub's clock was set back. Our own wall clock plays no part.
    """

    def __init__(self) -> None:
        self.date: datetime | None = None
        self._at = 0.0

    def heard(self, date: datetime, arrived: float, seconds: float) -> None:
        """Take a ``Date`` that arrived at a monotonic time, after so many seconds."""
        if date is self.date and 0.0 <= arrived - self._at <= seconds + 1.0:
            return  # the same second as before, which a busy Hub tells many times
        latest = date + timedelta(seconds=seconds) + _RESOLUTION
        now = self.now(arrived)
        if now is None or not date <= now <= latest:
            self.date, self._at = date, arrived

    def now(self, monotonic: float) -> datetime | None:
        """The Hub's time at a monotonic time of ours; None where it never told."""
        if self.date is None:
            return None
        return self.date + timedelta(seconds=monotonic - self._at)
