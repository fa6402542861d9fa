"""The charts of the page for a meeting: bars and a map, as coordinates for SVG. Pure.

They are drawn without scripts and have to be readable in black and white: what is incomplete is
outlined instead of filled, and what was not observed is crossed out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from services.stats.days import By, Period
from services.stats.query.figures import WEEKDAYS, Kind
from services.stats.query.meeting.words import days
from services.stats.query.periods import Summary

WIDTH, HEIGHT = 360.0, 84.0
"""The area of the bars. The labels are around it."""

MOST_LABELS = 6
"""Along the axis; with more bars, some have no label."""

SMALL = 10
"""Up to this number, the upper edge is an even number."""

FACTORS = (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10)
"""Larger ones are one of these and a power of ten."""

CELL = 14.0
"""The width of an hour in the map; its height is that of a row."""


class Bar(NamedTuple):
    """A bar, its label below the axis, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    label: str
    name: str
    """The period that it stands for."""
    value: float | None
    """None: nothing was observed."""
    complete: bool
    """Whether it stands for all of its week or month, and that is complete."""


@dataclass(frozen=True)
class BarChart:
    """Bars from left to right. ``top`` is the value at the upper edge."""

    title: str
    bars: Sequence[Bar]
    top: float
    kind: Kind
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def incomplete(self) -> bool:
        return any(bar.value is not None and not bar.complete for bar in self.bars)

    @property
    def unobserved(self) -> bool:
        return any(bar.value is None for bar in self.bars)


def bar_chart(title: str, summaries: Sequence[Summary], field: str, kind: Kind, by: By) -> BarChart:
    """A bar for each summary, by the value of one of its fields."""
    values = [getattr(summary, field) for summary in summaries]
    top = _top(max((value for value in values if value is not None), default=0))
    step = WIDTH / max(1, len(values))
    every = -(-len(values) // MOST_LABELS) or 1
    bars = []
    for number, (summary, value) in enumerate(zip(summaries, values, strict=True)):
        height = 0.0 if value is None else HEIGHT * value / top
        bars.append(
            Bar(
                x=round(number * step + step * 0.15, 1),
                y=round(HEIGHT - height, 1),
                width=round(step * 0.7, 1),
                height=round(height, 1),
                label=_label(summary, by) if number % every == 0 else "",
                name=summary.name or days(Period(summary.first, summary.last)),
                value=value,
                complete=summary.complete and _whole(summary, by),
            )
        )
    return BarChart(title, bars, top, kind)


def _whole(summary: Summary, by: By) -> bool:
    """Whether it is a whole week or month; one that the page cuts off looks like a decline."""
    if by is By.WEEK:
        return Period(summary.first, summary.last).days == 7
    after = summary.last + timedelta(days=1)
    return by is not By.MONTH or (summary.first.day == 1 and after.day == 1)


def _top(most: float) -> float:
    """A round number that is at least ``most``. Half of it is a round number, too."""
    if most <= SMALL:
        return max(2.0, 2.0 * math.ceil(most / 2))
    size = 10.0 ** math.floor(math.log10(most))
    return next(size * factor for factor in FACTORS if size * factor >= most)


def _label(summary: Summary, by: By) -> str:
    if by is By.YEAR:
        return str(summary.first.year)
    return f"{summary.first:%b %Y}" if by is By.MONTH else f"{summary.first.day} {summary.first:%b}"


class Cell(NamedTuple):
    """An hour of the week. ``size`` is that of its square, from 0 to 1; None: not observed."""

    x: float
    y: float
    size: float | None


@dataclass(frozen=True)
class WeekMap:
    """The week by hour: the larger the square, the more users."""

    rows: Sequence[tuple[str, Sequence[Cell]]]
    most: float

    @property
    def unobserved(self) -> bool:
        return any(cell.size is None for _, cells in self.rows for cell in cells)


def week_map(table: Sequence[Sequence[float | None]]) -> WeekMap:
    """From the mean active users of seven weekdays and 24 hours."""
    most = max((users for row in table for users in row if users is not None), default=0.0)
    rows = []
    for weekday, row in enumerate(table):
        cells = [
            Cell(hour * CELL, weekday * CELL, None if users is None else _size(users, most))
            for hour, users in enumerate(row)
        ]
        rows.append((WEEKDAYS[weekday][:2], cells))
    return WeekMap(rows, most)


def _size(users: float, most: float) -> float:
    """The side of a square whose area is in proportion to the number."""
    return round((users / most) ** 0.5, 2) if most else 0.0
