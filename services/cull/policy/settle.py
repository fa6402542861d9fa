"""When idleness may be believed. Pure.

While the Hub is away, no activity reaches it; afterwards every server looks as idle as the
outage was long, until it has reported again (every 300 s, give or take a tenth). So after an
outage, a restart of the Hub or a start of ours, no idleness is believed for a while. It is
counted from the Hub's own start where that is known and explains what was seen, else from
when the Hub was first seen up.

Two clocks come in: the Hub's, which dates what it tells, and our monotonic one, which alone
can date what happened while the Hub told nothing.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import isfinite

NEVER = datetime.max.replace(tzinfo=UTC)
#: How far ahead of its own ``Date`` the Hub's start may lie (rounding) to be taken for true.
_ROUNDING = timedelta(seconds=5)


@dataclass(frozen=True)
class Settle:
    """What is known of the Hub's life. ``seconds`` is how long not to believe; 0 is not at all.

    ``counted_from`` is None while the Hub is down or was never seen. ``down_at`` is when it
    was last seen down, on the monotonic clock, as long as that explains nothing else.
    """

    seconds: float
    counted_from: datetime | None = None
    down_at: float | None = None

    @property
    def trust_idle_from(self) -> datetime | None:
        """Idleness is believed from this time of the Hub's on; None is always."""
        if self.seconds <= 0:
            return None
        if self.counted_from is None:
            return NEVER
        return self.counted_from + timedelta(seconds=self.seconds)

    def settling(self, now: datetime) -> bool:
        """Whether idleness is not believed at this time of the Hub's."""
        return self.trust_idle_from is not None and now < self.trust_idle_from

    def seen_down(self, at: float) -> "Settle":
        """The Hub did not answer, at this time of the monotonic clock."""
        return replace(self, counted_from=None, down_at=at)

    def seen_up(self, now: datetime, at: float, started: datetime | None = None) -> "Settle":
        """The Hub answered, at ``now`` by its clock and ``at`` by the monotonic one.

        ``started`` is when it says that it started, None where it does not say.
        """
        if started is not None and started > now + _ROUNDING:
            started = None  # a start that is yet to come tells nothing
        if self.counted_from is None:
            return replace(self, counted_from=self._first_up(now, at, started), down_at=None)
        if started is not None and started > self.counted_from + _ROUNDING:
            return replace(self, counted_from=started)  # a restart that we did not see
        return self

    def _first_up(self, now: datetime, at: float, started: datetime | None) -> datetime:
        if started is None:
            return now
        if self.down_at is None:
            return started
        # Down after its start: it was out of reach for another reason than the restart,
        # and servers may not have reached it either.
        was_down = now - timedelta(seconds=max(0.0, at - self.down_at))
        return started if started >= was_down else now


def process_start(metrics: str | None) -> datetime | None:
    """When the Hub's process started, from its metrics in Prometheus' text format."""
    for line in (metrics or "").splitlines():
        name, _, value = line.partition(" ")
        if name != "process_start_time_seconds":
            continue
        try:
            seconds = float(value.split()[0])
            return datetime.fromtimestamp(seconds, UTC) if isfinite(seconds) else None
        except (ValueError, IndexError, OverflowError, OSError):
            return None
    return None
