"""From when on idleness can be trusted, after an outage or a start of the Hub. Pure.

While the Hub is down, it receives no activity reports. Afterwards every server looks idle for
as long as the outage lasted, until it has reported again (every 300 s, plus or minus 10 %). So
after an outage, a restart of the Hub or a start of the culler, idleness is not trusted for a
while. The time counts from the Hub's own start if that is known and explains what was observed,
otherwise from when the Hub was first seen up.

There are two clocks: the Hub's, for the times it reports, and the local monotonic one, for times
at which the Hub did not respond.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import isfinite

NEVER = datetime.max.replace(tzinfo=UTC)
#: By how much the Hub's start may be later than its own ``Date`` header, because of rounding.
_ROUNDING = timedelta(seconds=5)


@dataclass(frozen=True)
class Settle:
    """What is known about the Hub's uptime. ``seconds`` is how long it settles; 0 turns it off.

    ``counted_from`` is when settling began, by the Hub's clock; None while the Hub is down or
    has not been seen up. ``down_at`` is when it was last seen down, by the monotonic clock; None
    once it has been seen up.
    """

    seconds: float
    counted_from: datetime | None = None
    down_at: float | None = None

    @property
    def trust_idle_from(self) -> datetime | None:
        """Idleness is trusted from this time on, by the Hub's clock; None means always."""
        if self.seconds <= 0:
            return None
        if self.counted_from is None:
            return NEVER
        return self.counted_from + timedelta(seconds=self.seconds)

    def settling(self, now: datetime) -> bool:
        """Whether idleness is not trusted at this time, by the Hub's clock."""
        return self.trust_idle_from is not None and now < self.trust_idle_from

    def seen_down(self, at: float) -> "Settle":
        """After the Hub did not respond, at this time of the monotonic clock."""
        return replace(self, counted_from=None, down_at=at)

    def seen_up(self, now: datetime, at: float, started: datetime | None = None) -> "Settle":
        """After the Hub responded, at ``now`` by its clock and ``at`` by the monotonic one.

        ``started`` is its own start time; None if it is unknown.
        """
        if started is not None and started > now + _ROUNDING:
            started = None  # a start in the future is invalid
        if self.counted_from is None:
            return replace(self, counted_from=self._first_up(now, at, started), down_at=None)
        if started is not None and started > self.counted_from + _ROUNDING:
            return replace(self, counted_from=started)  # a restart between two checks
        return self

    def _first_up(self, now: datetime, at: float, started: datetime | None) -> datetime:
        if started is None:
            return now
        if self.down_at is None:
            return started
        # If it was down after its start, it was unreachable for another reason than the
        # restart, and servers may not have reached it either.
        was_down = now - timedelta(seconds=max(0.0, at - self.down_at))
        return started if started >= was_down else now


def process_start(metrics: str | None) -> datetime | None:
    """The start time of the Hub's process, from its metrics in Prometheus' text format."""
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
