"""How many servers to expect at once on each day of the coming week. Pure.

The rule is simple on purpose, so that everybody can check it: the peaks of the latest four days of
the same weekday that were observed completely; their median is expected, the highest is the upper
value. On generated semesters, a trend made it worse (tests/stats/query/servers/test_forecast.py).
Only days a week or more ago count. So a forecast does not change during the week, and that of a
past day is the one that was shown then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.query.figures import Column, Draw, Figure, Kind
from services.stats.query.periods import day_lengths, is_complete
from services.stats.records import GroupDay

WEEK = timedelta(days=7)

WEEKS = 4
"""How many weeks count."""

FEWEST_WEEKS = 2
"""With fewer, nothing is expected."""

OLDEST_WEEK = 8
"""Weeks that are longer ago do not count, even if later ones were not observed."""

DAYS_AHEAD = 7
DAYS_BACK = 14
"""For how many past days the forecast is shown next to what happened."""

TITLE = "Servers to expect"

RULE = (
    "Expected: the median of the peaks on the latest four observed days of the same weekday. Upper"
    " value: the highest of them. Days that were not completely observed, or are more than eight"
    " weeks ago, do not count."
)


class Expected(NamedTuple):
    """The forecast for a day."""

    day: date
    expected: float | None
    """None, like ``upper``, if fewer than two weeks were observed."""
    upper: int | None
    weeks: int
    """The number of observed days on which it is based."""
    actual: int | None
    """The peak of that day; None if it is not over, or was not completely observed."""


def days_needed(today: date) -> tuple[date, date]:
    """The first and the last day whose rows a forecast needs."""
    return today - timedelta(days=DAYS_BACK) - OLDEST_WEEK * WEEK, today


def complete_peaks(
    rows: Sequence[GroupDay], last_poll: datetime, zone: ZoneInfo
) -> dict[date, int]:
    """The peak of each day that is over and was completely observed."""
    if not rows:
        return {}
    lengths = day_lengths(rows[0].day, rows[-1].day, last_poll, zone)
    return {
        row.day: row.peak
        for row in rows
        if row.peak is not None and is_complete(row.observed_seconds, lengths[row.day])
    }


def expect(day: date, peaks: Mapping[date, int]) -> Expected:
    """The forecast for a day, from the peaks of the weeks before."""
    past = [day - number * WEEK for number in range(1, OLDEST_WEEK + 1)]
    found = [peaks[one] for one in past if one in peaks][:WEEKS]
    if len(found) < FEWEST_WEEKS:
        return Expected(day, None, None, len(found), peaks.get(day))
    return Expected(day, median(found), max(found), len(found), peaks.get(day))


def forecast(today: date, peaks: Mapping[date, int]) -> list[Expected]:
    """The two weeks before ``today``, today, and the seven days after it."""
    days = range(-DAYS_BACK, DAYS_AHEAD + 1)
    return [expect(today + timedelta(days=number), peaks) for number in days]


def figure(rows: Sequence[Expected]) -> Figure:
    """The forecast as a table and chart."""
    columns: tuple[Column, ...] = (
        Column("day", "Day", Kind.DAY),
        Column("expected", "Expected", scale="y"),
        Column("upper", "Upper value", scale="y"),
        Column("actual", "Actual", scale="y"),
        Column("weeks", "Weeks"),
    )
    cells = [[row.day, row.expected, row.upper, row.actual, row.weeks] for row in rows]
    if any(row.expected is not None for row in rows):
        return Figure("forecast", TITLE, RULE, columns, cells, Draw.LINES)
    note = f"There are not enough observed weeks for a forecast yet. {RULE}"
    columns = tuple(replace(column, scale="") for column in columns)
    return Figure("forecast", TITLE, note, columns, cells)
