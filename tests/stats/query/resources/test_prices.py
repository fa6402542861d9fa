"""Costs: hours times prices, with everything that is needed to check them."""

import pytest

from services.stats.query.resources.prices import TIMES, Base, Prices, cost
from services.stats.query.resources.usage import GB, HOUR, Use


def use() -> Use:
    """Ten hours of 2 GB with a guarantee of 3, four hours of one core without a guarantee."""
    found = Use()
    found.memory.add_sample(2 * GB, 3 * GB, 10 * HOUR)
    found.cpu.add_sample(1, None, 4 * HOUR)
    return found


@pytest.mark.parametrize(
    ("prices", "total"),
    [
        (Prices(0.1, 0.5), 30 * 0.1 + 4 * 0.5),
        (Prices(0.1, 0), 3),
        (Prices(0.1, 0, Base.GUARANTEE), 3),
        (Prices(0, 0.5, Base.GUARANTEE), None),  # no guarantee is known
        (Prices(0.1, 0.5, Base.GUARANTEE), None),  # half a cost is none
        (Prices(), None),
    ],
)
def test_cost(prices: Prices, total: float | None) -> None:
    """The sum over all that has a price; unknown if one part is."""
    assert cost(use(), prices).total == total


def test_use_above_the_guarantee() -> None:
    """The larger of both is paid, or the guarantee alone."""
    found = Use()
    found.memory.add_sample(5 * GB, 3 * GB, HOUR)
    assert cost(found, Prices(1)).total == 5
    assert cost(found, Prices(1, base=Base.GUARANTEE)).total == 3


def test_formula_with_numbers() -> None:
    """The numbers give the result; small prices keep their digits."""
    prices = Prices(0.0045, 0.5, currency="EUR")
    found = cost(use(), prices)
    shown = prices.calculation(found.memory_gb_hours, found.cpu_hours)
    assert shown == f"30 GB-h {TIMES} 0.0045 EUR + 4 CPU-h {TIMES} 0.50 EUR"
    assert prices.calculation(None, 4) == ""
    assert prices.money(1234.5) == "1,234.50 EUR"
    assert prices.formula == (
        f"cost = paid memory in GB-hours {TIMES} 0.0045 EUR + paid CPU-hours {TIMES} 0.50 EUR"
    )
    assert "GB-hours" not in Prices(0, 1).formula
