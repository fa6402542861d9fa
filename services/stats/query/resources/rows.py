"""The use of each user, group and day in numbers for people. Pure."""

from dataclasses import dataclass
from typing import ClassVar

from services.stats.query.resources.prices import Cost, Prices, cost
from services.stats.query.resources.usage import GB, HOUR, Amount, Use


@dataclass(frozen=True)
class ResourceRow:
    """A user, group or day. None: not measured. Hours are decimal, GB are 2^30 bytes."""

    name: str
    memory_gb_hours: float | None = None
    mean_memory_gb: float | None = None
    """Of one server, over the measured time."""
    peak_memory_gb: float | None = None
    """The most that one server used."""
    guaranteed_gb_hours: float | None = None
    """While use and guarantee were both measured, like the unused part."""
    unused_gb_hours: float | None = None
    cpu_hours: float | None = None
    guaranteed_cpu_hours: float | None = None
    unused_cpu_hours: float | None = None
    server_hours: float = 0.0
    measured_percent: float | None = None
    """The share of the server hours whose memory was measured; None without server hours."""
    paid_gb_hours: float | None = None
    """What the cost is calculated from; None without prices."""
    paid_cpu_hours: float | None = None
    cost: float | None = None
    """An estimate for the measured time; None also without prices."""
    deleted: bool = False
    excluded: ClassVar[bool] = False
    """Users who are not counted have no row."""


def row(name: str, use: Use, prices: Prices, *, deleted: bool = False) -> ResourceRow:
    """The numbers of a use."""
    memory, cpu = use.memory, use.cpu
    coverage = use.coverage
    price = cost(use, prices) if prices else Cost(None, None, None)
    return ResourceRow(
        name=name,
        memory_gb_hours=_hours(memory.used, memory.measured, GB),
        mean_memory_gb=round(memory.used / memory.measured / GB, 2) if memory.measured else None,
        peak_memory_gb=round(memory.peak / GB, 2) if memory.measured else None,
        guaranteed_gb_hours=_hours(memory.guaranteed, memory.guaranteed_for, GB),
        unused_gb_hours=_hours(memory.unused, memory.guaranteed_for, GB),
        cpu_hours=_hours(cpu.used, cpu.measured, 1),
        guaranteed_cpu_hours=_hours(cpu.guaranteed, cpu.guaranteed_for, 1),
        unused_cpu_hours=_hours(cpu.unused, cpu.guaranteed_for, 1),
        server_hours=round(use.server_seconds / HOUR, 1),
        # Rounded down: 99.96 % is not all of it.
        measured_percent=None if coverage is None else int(coverage * 1000) / 10,
        paid_gb_hours=price.memory_gb_hours,
        paid_cpu_hours=price.cpu_hours,
        cost=price.total,
        deleted=deleted,
    )


def _hours(sum_: float, measured: float, unit: float) -> float | None:
    return round(sum_ / unit / HOUR, 2) if measured else None


def guarantee_share(amount: Amount) -> float | None:
    """The share of the measured time whose guarantee is known, from 0 to 100."""
    return round(100 * amount.guaranteed_for / amount.measured, 1) if amount.measured else None
