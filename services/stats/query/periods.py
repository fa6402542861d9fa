"""Days, weeks and other periods in numbers, calculated from the rows of days. Pure.

Where nothing was observed a number is None, never zero.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    """The share of the time that has passed that was observed, from 0 to 100."""
    complete: bool = False
    """Whether the period is over, and at least 90 % of it was observed."""
    active_users: int | None = None
    """Distinct users who were active in the period."""
    daily_active: float | None = None
    """Active users per day: the mean over complete days."""
    weekly_active: int | None = None
    """Distinct users who were active in the 7 days that end with the period."""
    monthly_active: int | None = None
    """Distinct users who were active in the 30 days that end with the period."""
    daily_by_monthly: float | None = None
    """``daily_active`` divided by ``monthly_active``: 1 if every user is active every day."""
    newcomers: int | None = None
    sessions: int | None = None
    """Started in the period and seen by polls: one that ran only between two polls is missing."""
    starts: int | None = None
    """Starts counted by the Hub, however short the sessions; only of the whole hub."""
    median_minutes: int | None = None
    p90_minutes: int | None = None
    p99_minutes: int | None = None
    active_hours: float | None = None
    idle_hours: float | None = None
    """Observed time in which a user had a running server but was not active."""
    unobserved_hours: float | None = None
    """Time in which a user had a running server and nothing was observed."""
    server_hours: float | None = None
    mean_servers: float | None = None
    peak_servers: int | None = None
    peak_at: datetime | None = None
    after_hours: float | None = None
    """How long the servers that stopped had kept running after their last activity."""
    saved_hours: float | None = None
    """An estimate: how much longer the servers that stopped while idle would have run, which is
    until they were used again, 24 h at most. Without those that were idle or stopped in a gap, and
    without those that the culler did not stop, where its audit log says so."""
    saved_audited: bool | None = None
    """Whether the audit log says of each of these servers that the culler stopped it. None: no
    server stopped while idle."""
    name: str | None = None
    """Of the term; None for other periods."""


class DayLength(NamedTuple):
    """How long a day is, 23 to 25 hours, and how much of it has passed; in seconds."""

    whole: float
    passed: float


def total_length(lengths: Iterable[DayLength]) -> DayLength:
    """The length of several days."""
    known = list(lengths)
    return DayLength(sum(one.whole for one in known), sum(one.passed for one in known))


COVERAGE = 0.9
"""A day or period of which less was observed is incomplete: its counts are lower bounds."""


def is_complete(observed: float, length: DayLength) -> bool:
    """Whether a day, or several, is over and was observed for at least :data:`COVERAGE`."""
    return length.passed >= length.whole > 0 and observed >= COVERAGE * length.whole


def summarise(
    period: Period,
    rows: Sequence[GroupDay],
    active_users: int,
    lengths: Mapping[date, DayLength],
    starts: int | None = None,
) -> Summary:
    """One period. ``rows`` are its days, ``lengths`` has the length of each."""
    seen = [row for row in rows if row.observed_seconds > 0]
    total = total_length(lengths.values())
    observed = sum(row.observed_seconds for row in rows)
    percent = round(100 * min(observed / total.passed, 1.0), 1) if total.passed else 0.0
    if not seen:
        return Summary(period.first, period.last, percent, starts=starts, name=period.name or None)
    complete = [row for row in seen if is_complete(row.observed_seconds, lengths[row.day])]
    daily = sum(row.active for row in complete) / len(complete) if complete else None
    last = (complete or seen)[-1]
    counted = session_lengths(seen)
    # Without the days of which a person was erased, sums and peaks would be too small.
    detailed = [] if any(row.reduced for row in seen) else seen
    peak = max(detailed, key=lambda row: row.peak or 0, default=None)
    with_servers = [row for row in seen if row.mean_running is not None]
    server_seconds = sum(row.observed_seconds for row in with_servers)
    return Summary(
        first=period.first,
        last=period.last,
        observed_percent=percent,
        complete=is_complete(observed, total),
        active_users=active_users,
        daily_active=None if daily is None else round(daily, 1),
        weekly_active=last.active_7,
        monthly_active=last.active_30,
        daily_by_monthly=(
            round(daily / last.active_30, 3) if daily is not None and last.active_30 else None
        ),
        newcomers=sum(row.newcomers for row in rows),
        sessions=_sum(row.sessions for row in seen),
        starts=starts,
        median_minutes=percentile(counted, 0.5),
        p90_minutes=percentile(counted, 0.9),
        p99_minutes=percentile(counted, 0.99),
        active_hours=_hours(sum(row.active_seconds for row in seen)),
        idle_hours=_hours(_sum(row.idle_seconds for row in seen)),
        unobserved_hours=_hours(_sum(row.unobserved_seconds for row in rows)),
        server_hours=_hours(_sum(row.server_seconds for row in detailed)),
        mean_servers=(
            round(
                sum((row.mean_running or 0) * row.observed_seconds for row in with_servers)
                / server_seconds,
                2,
            )
            if server_seconds
            else None
        ),
        peak_servers=peak.peak if peak else None,
        peak_at=peak.peak_at if peak else None,
        after_hours=_hours(_sum(row.after_seconds for row in detailed)),
        saved_hours=_hours(_sum(row.saved_seconds for row in detailed)),
        saved_audited=all_audited(row.audited for row in detailed),
        name=period.name or None,
    )


def all_audited(known: Iterable[bool | None]) -> bool | None:
    """False if any is False, None if none is known."""
    found = {one for one in known if one is not None}
    return None if not found else found == {True}


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum of the known values; None if none is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def by_day(
    rows: Sequence[GroupDay], first: date, last: date, now: datetime, zone: ZoneInfo
) -> list[Summary]:
    """A summary of each day, without further queries. ``now`` is the time of the last poll."""
    found = {row.day: row for row in rows}
    summaries = []
    for day, length in day_lengths(first, last, now, zone).items():
        row = found.get(day)
        own_rows, active = ([row], row.active) if row else ([], 0)
        starts = row.starts if row else None
        summaries.append(summarise(Period(day, day), own_rows, active, {day: length}, starts))
    return summaries


def of_one_user(
    rows: Sequence[GroupDay], first: date, last: date, now: datetime, zone: ZoneInfo
) -> Summary:
    """One summary of all days of one user. ``now`` is the time of the last poll."""
    active = int(any(row.active for row in rows))
    return summarise(Period(first, last), rows, active, day_lengths(first, last, now, zone))


def day_lengths(first: date, last: date, now: datetime, zone: ZoneInfo) -> dict[date, DayLength]:
    """The length of each day. ``now`` is the time of the last poll."""
    lengths = {}
    for day in days(first, last):
        window = bounds(day, zone)
        passed = (min(window.end, now) - window.start).total_seconds()
        lengths[day] = DayLength(window.seconds, max(0.0, passed))
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
    """Mean active users by weekday (from Monday) and hour; None for hours never observed."""
    sums = [[0.0] * 24 for _ in range(7)]
    observed = [[0] * 24 for _ in range(7)]
    for row in rows:
        weekday = row.day.weekday()
        users = json.loads(row.hours) if row.hours else [0] * 24
        for hour in observed_hours(row):
            observed[weekday][hour] += 1
            sums[weekday][hour] += users[hour]
    return [
        [
            round(sums[day][hour] / observed[day][hour], 2) if observed[day][hour] else None
            for hour in range(24)
        ]
        for day in range(7)
    ]


def observed_hours(row: GroupDay) -> Iterable[int]:
    """The hours of the local clock that were observed, as far as :data:`COVERAGE` demands."""
    if row.observed_hours:
        shares = json.loads(row.observed_hours)
        return [hour for hour in range(24) if shares[hour] >= 100 * COVERAGE]
    # Days that were rolled up by an earlier version and pruned do not know their hours.
    return range(24) if row.observed_seconds >= COVERAGE * 23 * HOUR else ()


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / HOUR, 2)
