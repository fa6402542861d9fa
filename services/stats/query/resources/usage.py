"""Sums of what servers used, from samples at regular times. Pure.

A sample stands for the step that ends with it. What was not measured is in no sum, and each sum
comes with the time for which it was measured.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.query.resources.names import ServerName

GB = 1 << 30
"""Bytes, as in JupyterHub's memory limits."""

HOUR = 3600

Samples = Mapping[ServerName, Mapping[int, float]]
"""By server: values by the time of the sample, in seconds since 1970."""


@dataclass(slots=True)
class Amount:
    """One resource of one or more servers. Sums are in unit-seconds, times in seconds.

    The unit is a byte of memory or a core.
    """

    measured: float = 0.0
    """How long its use was measured."""
    used: float = 0.0
    peak: float = 0.0
    """The most that one server used at once."""
    guaranteed_for: float = 0.0
    """How long both its use and its guarantee were measured. The next two cover that time."""
    guaranteed: float = 0.0
    unused: float = 0.0
    """Guarantee minus use; zero where more was used than guaranteed."""
    larger: float = 0.0
    """The larger of guarantee and use over the measured time."""

    def add_sample(self, used: float, guaranteed: float | None, seconds: float) -> None:
        """Add a sample that stands for that many seconds."""
        self.measured += seconds
        self.used += used * seconds
        self.peak = max(self.peak, used)
        self.larger += max(used, guaranteed or 0.0) * seconds
        if guaranteed is not None:
            self.guaranteed_for += seconds
            self.guaranteed += guaranteed * seconds
            self.unused += max(guaranteed - used, 0.0) * seconds

    def add(self, other: "Amount") -> None:
        """Add the sums of other servers or another time."""
        self.measured += other.measured
        self.used += other.used
        self.peak = max(self.peak, other.peak)
        self.guaranteed_for += other.guaranteed_for
        self.guaranteed += other.guaranteed
        self.unused += other.unused
        self.larger += other.larger


@dataclass(slots=True)
class Use:
    """The memory and CPU of one or more servers, and how much of their time was measured."""

    memory: Amount = field(default_factory=Amount)
    cpu: Amount = field(default_factory=Amount)
    server_seconds: float = 0.0
    """How long servers ran, as the Hub reported it."""
    covered_seconds: float = 0.0
    """How much of that was measured, counted by user and day."""

    def add(self, other: "Use") -> None:
        """Add the sums of other servers or another time."""
        self.memory.add(other.memory)
        self.cpu.add(other.cpu)
        self.server_seconds += other.server_seconds
        self.covered_seconds += other.covered_seconds

    @property
    def coverage(self) -> float | None:
        """The measured share of the server time, from 0 to 1; None without server time."""
        return self.covered_seconds / self.server_seconds if self.server_seconds else None


class Measured(NamedTuple):
    """The samples of all four kinds over the same time."""

    memory: Samples
    cpu: Samples
    memory_guarantee: Samples
    cpu_guarantee: Samples


DailyUse = dict[tuple[ServerName, date], Use]


def by_day(samples: Measured, step: int, zone: ZoneInfo) -> DailyUse:
    """Sum up each server's samples by the day on which their step began."""
    days = _Days(step, zone)
    found: DailyUse = defaultdict(Use)
    for used, guaranteed, resource in (
        (samples.memory, samples.memory_guarantee, "memory"),
        (samples.cpu, samples.cpu_guarantee, "cpu"),
    ):
        for server, values in used.items():
            guarantees = guaranteed.get(server, {})
            for time, value in values.items():
                if not _valid(value):
                    continue
                guarantee = guarantees.get(time)
                if guarantee is not None and not _valid(guarantee):
                    guarantee = None
                use = found[server, days[time]]
                amount = use.memory if resource == "memory" else use.cpu
                amount.add_sample(value, guarantee, step)
    return dict(found)


def _valid(value: float) -> bool:
    return math.isfinite(value) and value >= 0


class _Days(dict[int, date]):
    """The day of each sample time; all servers share the times."""

    def __init__(self, step: int, zone: ZoneInfo) -> None:
        super().__init__()
        self._step, self._zone = step, zone

    def __missing__(self, time: int) -> date:
        began = datetime.fromtimestamp(time - self._step, UTC)
        day = self[time] = began.astimezone(self._zone).date()
        return day
