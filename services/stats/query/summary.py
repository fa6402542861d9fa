"""From the rows of days to the answers people ask for. Pure.

Where nothing was observed an answer is None, never zero.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from services.stats.days import Period
from services.stats.store.rollup import GroupDay

HOUR = 3600


class Summary(NamedTuple):
    """A period in numbers. Hours are decimal."""

    first: date
    last: date
    observed_percent: float
    """How much of the period the recorder was looking."""
    active_users: int | None = None
    """Different people active in the period."""
    daily_active: float | None = None
    """People active a day, the mean over observed days."""
    weekly_active: int | None = None
    """In the 7 days that end with the period."""
    monthly_active: int | None = None
    """In the 30 days that end with the period."""
    daily_by_monthly: float | None = None
    """How much of a month's people come on a day: 1 is everybody every day."""
    newcomers: int | None = None
    sessions: int | None = None
    median_minutes: int | None = None
    p90_minutes: int | None = None
    p99_minutes: int | None = None
    active_hours: float | None = None
    idle_hours: float | None = None
    """A server ran and its user did not work."""
    server_hours: float | None = None
    mean_servers: float | None = None
    peak_servers: int | None = None
    peak_at: datetime | None = None
    after_hours: float | None = None
    """How long servers that ended had run on after their last activity."""
    saved_hours: float | None = None
    """How much longer they would have run: until used again, a day at most."""


def summarise(
    period: Period, rows: Sequence[GroupDay], people: int, seconds: Mapping[date, float]
) -> Summary:
    """One period. ``people``: different ones active in it; ``seconds``: how long each day was."""
    seen = [row for row in rows if row.observed_seconds > 0]
    whole = sum(seconds.values())
    observed = sum(row.observed_seconds for row in rows)
    percent = round(100 * min(observed / whole, 1.0), 1) if whole else 0.0
    if not seen:
        return Summary(period.first, period.last, percent)
    daily = sum(row.active for row in seen) / len(seen)
    last = seen[-1]
    lengths = session_lengths(seen)
    peak = max(seen, key=lambda row: row.peak or 0)
    return Summary(
        first=period.first,
        last=period.last,
        observed_percent=percent,
        active_users=people,
        daily_active=round(daily, 1),
        weekly_active=last.active_7,
        monthly_active=last.active_30,
        daily_by_monthly=round(daily / last.active_30, 3) if last.active_30 else None,
        newcomers=sum(row.newcomers for row in rows),
        sessions=sum(row.sessions for row in seen),
        median_minutes=percentile(lengths, 0.5),
        p90_minutes=percentile(lengths, 0.9),
        p99_minutes=percentile(lengths, 0.99),
        active_hours=_hours(sum(row.active_seconds for row in seen)),
        idle_hours=_hours(sum(row.idle_seconds for row in seen)),
        server_hours=_hours(sum(row.server_seconds for row in seen)),
        mean_servers=round(
            sum((row.mean_running or 0) * row.observed_seconds for row in seen) / observed, 2
        ),
        peak_servers=peak.peak,
        peak_at=peak.peak_at,
        after_hours=_hours(sum(row.after_seconds for row in seen)),
        saved_hours=_hours(sum(row.saved_seconds for row in seen)),
    )


def session_lengths(rows: Sequence[GroupDay]) -> Counter[int]:
    """Sessions that ended, by their length in whole minutes."""
    lengths: Counter[int] = Counter()
    for row in rows:
        for minutes, number in json.loads(row.lengths or "{}").items():
            lengths[int(minutes)] += number
    return lengths


def percentile(lengths: Mapping[int, int], share: float) -> int | None:
    """The smallest length that at least this share of sessions does not exceed; None of none."""
    total = sum(lengths.values())
    if not total:
        return None
    wanted = max(1, math.ceil(share * total))
    reached = 0
    for length in sorted(lengths):
        reached += lengths[length]
        if reached >= wanted:
            return length
    return max(lengths)


def week_by_hour(rows: Sequence[GroupDay]) -> list[list[float | None]]:
    """Users active, the mean for each weekday (from Monday) and hour; None where never seen."""
    sums = [[0.0] * 24 for _ in range(7)]
    observed = [0] * 7
    for row in rows:
        if row.observed_seconds <= 0:
            continue
        weekday = row.day.weekday()
        observed[weekday] += 1
        for hour, users in enumerate(json.loads(row.hours) if row.hours else ()):
            sums[weekday][hour] += users
    return [
        [round(sums[day][hour] / observed[day], 2) if observed[day] else None for hour in range(24)]
        for day in range(7)
    ]


def _hours(seconds: float) -> float:
    return round(seconds / HOUR, 1)
