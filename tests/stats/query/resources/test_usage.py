"""Sums of samples: only over measured time, and never below zero."""

import math
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from services.stats.query.resources.names import ServerName
from services.stats.query.resources.prices import Prices
from services.stats.query.resources.rows import row
from services.stats.query.resources.usage import HOUR, Amount, Measured, Use, by_day

DAY = date(2026, 3, 29)
NEXT = date(2026, 3, 30)
ANA = ServerName("jupyter-ana")
BERLIN = ZoneInfo("Europe/Berlin")


def at(day: int, hour: float) -> int:
    """A time in UTC in March 2026."""
    return int(datetime(2026, 3, day, tzinfo=UTC).timestamp() + hour * HOUR)


def measured(**samples: dict[int, float]) -> Measured:
    """Samples of Ana's server."""
    kinds = ("memory", "cpu", "memory_guarantee", "cpu_guarantee")
    return Measured(*({ANA: samples[kind]} if kind in samples else {} for kind in kinds))


def test_the_unused_part_is_never_negative() -> None:
    """An hour of 3 GB above the guarantee does not make up for an hour of 1 GB below it."""
    samples = measured(
        memory={at(29, 10): 1.0, at(29, 11): 5.0},
        memory_guarantee={at(29, 10): 2.0, at(29, 11): 2.0},
    )
    (use,) = by_day(samples, HOUR, BERLIN).values()
    assert use.memory == Amount(
        measured=2 * HOUR,
        used=6 * HOUR,
        peak=5,
        guaranteed_for=2 * HOUR,
        guaranteed=4 * HOUR,
        unused=1 * HOUR,
        larger=7 * HOUR,
    )


def test_an_unknown_guarantee_is_not_zero() -> None:
    """Where only the use was measured, nothing is said about the guarantee."""
    samples = measured(
        memory={at(29, 10): 1.0, at(29, 11): 1.0}, memory_guarantee={at(29, 11): 2.0}
    )
    (use,) = by_day(samples, HOUR, BERLIN).values()
    assert (use.memory.guaranteed_for, use.memory.unused) == (HOUR, HOUR)
    assert use.memory.measured == 2 * HOUR
    nothing = row("", Use(), Prices(1, 1))
    assert nothing.unused_gb_hours is None
    assert nothing.memory_gb_hours is None
    assert nothing.cost is None
    assert nothing.measured_percent is None


def test_a_guarantee_without_use_is_not_counted() -> None:
    """A pod that is not measured yet has a guarantee already."""
    assert by_day(measured(memory_guarantee={at(29, 10): 2.0}), HOUR, BERLIN) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_impossible_values_are_not_measured(value: float) -> None:
    """Prometheus can return NaN and infinity; neither may reach a sum."""
    samples = measured(memory={at(29, 10): value}, cpu={at(29, 10): 1.0})
    (use,) = by_day(samples, HOUR, BERLIN).values()
    assert use.memory == Amount()
    samples = measured(memory={at(29, 10): 1.0}, memory_guarantee={at(29, 10): value})
    (use,) = by_day(samples, HOUR, BERLIN).values()
    assert use.memory.guaranteed_for == 0


def test_a_sample_belongs_to_the_day_of_its_step() -> None:
    """A sample at midnight stands for the hour before. This day has 23 hours."""
    hours = {at(28, 23) + HOUR * n: 1.0 for n in range(1, 25)}
    found = by_day(measured(memory=hours), HOUR, BERLIN)
    assert {day: use.memory.measured / HOUR for (_, day), use in found.items()} == {
        DAY: 23,
        NEXT: 1,
    }
