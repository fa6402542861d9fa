"""Days, weeks and months in numbers, calculated from the rows of days. Pure.

Where nothing was observed a number is None, never zero.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import Period, bounds, days
from services.stats.records import GroupDay

HOUR = 3600


class Summary(NamedTuple):
    """A period in numbers. Hours are decimal."""

    first: date
    last: date
    observed_percent: float
    """The share of the period that was observed, from 0 to 100."""
    active_users: int | None = None
    """Distinct users who were active in the period."""
    daily_active: float | None = None
    """Active users per day: the mean over observed days."""
    weekly_active: int | None = None
    """Distinct users who were active in the 7 days that end with the period."""
    monthly_active: int | None = None
    """Distinct users who were active in the 30 days that end with the period."""
    daily_by_monthly: float | None = None
    """``daily_active`` divided by ``monthly_active``: 1 if every user is active every day."""
    newcomers: int | None = None
    sessions: int | None = None
    median_minutes: int | None = None
    p90_minutes: int | None = None
    p99_minutes: int | None = None
    active_hours: float | None = None
    idle_hours: float | None = None
    """Time in which a user had a running server but was not active."""
    server_hours: float | None = None
    mean_servers: float | None = None
    peak_servers: int | None = None
    peak_at: datetime | None = None
    after_hours: float | None = None
    """How long the servers that stopped had kept running after their last activity."""
    saved_hours: float | None = None
    """How much longer they would have run without a culler: until used again, 24 h at most."""


def summarise(
    period: Period, rows: Sequence[GroupDay], active_users: int, seconds: Mapping[date, float]
) -> Summary:
    """One period. ``rows`` are its days, ``seconds`` the length of each day that has passed."""
    seen = [row for row in rows if row.observed_seconds > 0]
    total = sum(seconds.values())
    observed = sum(row.observed_seconds for row in rows)
    percent = round(100 * min(observed / total, 1.0), 1) if total else 0.0
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
        active_users=active_users,
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


def by_day(
    rows: Sequence[GroupDay], first: date, last: date, now: datetime, zone: ZoneInfo
) -> list[Summary]:
    """A summary of each day, without further queries. ``now`` is the time of the last poll."""
    found = {row.day: row for row in rows}
    summaries = []
    for day, seconds in _day_lengths(first, last, now, zone).items():
        row = found.get(day)
        own_rows, active = ([row], row.active) if row else ([], 0)
        summaries.append(summarise(Period(day, day), own_rows, active, {day: seconds}))
    return summaries


def of_one_user(
    rows: Sequence[GroupDay], first: date, last: date, now: datetime, zone: ZoneInfo
) -> Summary:
    """One summary of all days of one user. ``now`` is the time of the last poll."""
    active = int(any(row.active for row in rows))
    return summarise(Period(first, last), rows, active, _day_lengths(first, last, now, zone))


def _day_lengths(first: date, last: date, now: datetime, zone: ZoneInfo) -> dict[date, float]:
    """Seconds of each day that have passed by ``now``."""
    lengths = {}
    for day in days(first, last):
        window = bounds(day, zone)
        lengths[day] = max(0.0, (min(window.end, now) - window.start).total_seconds())
    return lengths


def session_lengths(rows: Sequence[GroupDay]) -> Counter[int]:
    """The number of ended sessions by their length in whole minutes."""
    lengths: Counter[int] = Counter()
    for row in rows:
        for minutes, number in json.loads(row.lengths or "{}").items():
            lengths[int(minutes)] += number
    return lengths


def percentile(lengths: Mapping[int, int], share: float) -> int | None:
    """The shortest length that at least this share of the sessions do not exceed.

    ``share`` is between 0 and 1. None if there are no sessions.
    """
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
    """Mean active users by weekday (from Monday) and hour; None for weekdays never observed."""
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
    return round(seconds / HOUR, 2)
