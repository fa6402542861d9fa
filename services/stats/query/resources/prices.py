"""What servers cost, by configured prices. Pure. Every result is an estimate."""

from dataclasses import dataclass
from enum import StrEnum

from services.stats.query.resources.usage import GB, HOUR, Amount, Use

TIMES = "\N{MULTIPLICATION SIGN}"


class Base(StrEnum):
    """What is paid for."""

    LARGER = "larger"
    GUARANTEE = "guarantee"


@dataclass(frozen=True)
class Prices:
    """Prices in ``currency``; 0: free. ``base`` is what they are paid for."""

    memory_gb_hour: float = 0.0
    cpu_hour: float = 0.0
    base: Base = Base.LARGER
    currency: str = ""

    def __bool__(self) -> bool:
        """Whether anything has a price."""
        return bool(self.memory_gb_hour or self.cpu_hour)

    @property
    def formula(self) -> str:
        """How a cost is calculated, in one line."""
        return "cost = " + " + ".join(
            f"{title} {TIMES} {self.money(price)}" for title, price in self._parts()
        )

    @property
    def explanation(self) -> str:
        """What the formula's hours are."""
        if self.base is Base.GUARANTEE:
            return "Paid hours are the guaranteed ones, whether or not they were used."
        return "Paid hours are, at each measurement, the larger of guarantee and use."

    def _parts(self) -> list[tuple[str, float]]:
        parts = (
            ("paid memory in GB-hours", self.memory_gb_hour),
            ("paid CPU-hours", self.cpu_hour),
        )
        return [(title, price) for title, price in parts if price]

    def calculation(self, gb_hours: float | None, cpu_hours: float | None) -> str:
        """The formula with numbers in place of words; empty if one is not known."""
        parts = [
            (hours, unit, price)
            for hours, unit, price in (
                (gb_hours, "GB-h", self.memory_gb_hour),
                (cpu_hours, "CPU-h", self.cpu_hour),
            )
            if price
        ]
        if any(hours is None for hours, _, _ in parts):
            return ""
        return " + ".join(
            f"{_plain(hours or 0)} {unit} {TIMES} {self.money(price)}"
            for hours, unit, price in parts
        )

    def money(self, amount: float) -> str:
        """An amount with its currency: at least two decimals, more for small prices."""
        text = f"{amount:,.2f}" if round(amount, 2) == amount else f"{amount:,.10f}".rstrip("0")
        return f"{text} {self.currency}".strip()


@dataclass(frozen=True)
class Cost:
    """An estimate. None: a part that has a price was not measured."""

    memory_gb_hours: float | None
    """Paid hours."""
    cpu_hours: float | None
    total: float | None


def cost(use: Use, prices: Prices) -> Cost:
    """The cost of the measured time: a lower bound if not all of the time was measured."""
    # Rounded like the numbers that are shown next to the formula, so that they give the result.
    memory = _paid(use.memory, prices.base, GB * HOUR)
    cpu = _paid(use.cpu, prices.base, HOUR)
    parts = [
        (hours, price)
        for hours, price in ((memory, prices.memory_gb_hour), (cpu, prices.cpu_hour))
        if price
    ]
    known = [hours * price for hours, price in parts if hours is not None]
    complete = bool(parts) and len(known) == len(parts)
    return Cost(memory, cpu, round(sum(known), 2) if complete else None)


def _plain(hours: float) -> str:
    return f"{hours:,.2f}".rstrip("0").rstrip(".")


def _paid(amount: Amount, base: Base, unit: float) -> float | None:
    if base is Base.GUARANTEE:
        return round(amount.guaranteed / unit, 2) if amount.guaranteed_for else None
    return round(amount.larger / unit, 2) if amount.measured else None
