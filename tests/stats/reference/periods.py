"""Days, weeks and months, and lists of users, counted from the days."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tests.stats.reference.days import Days, GroupDay
from tests.stats.reference.seen import User

COVERAGE = 0.9


@dataclass(frozen=True)
class Summary:
    """A period, as the product has it; hours where the days have minutes."""

    first: date
    last: date
    observed_percent: float
    complete: bool = False
    active_users: int | None = None
    daily_active: float | None = None
    weekly_active: int | None = None
    monthly_active: int | None = None
    newcomers: int | None = None
    sessions: int | None = None
    median_minutes: int | None = None
    p90_minutes: int | None = None
    active_hours: float | None = None
    idle_hours: float | None = None
    unobserved_hours: float | None = None
    server_hours: float | None = None
    mean_servers: float | None = None
    peak_servers: int | None = None
    after_hours: float | None = None
    saved_hours: float | None = None


def split(days: Sequence[date], by: str) -> list[list[date]]:
    """The days by calendar week or month."""
    found: list[list[date]] = []
    for day in days:
        begins = by == "day" or (day.weekday() == 0 if by == "week" else day.day == 1)
        if begins or not found:
            found.append([])
        found[-1].append(day)
    return found


def summary(days: Days, rows: Sequence[GroupDay], active: int) -> Summary:
    """One period. ``active``: how many users worked in it."""
    whole = sum(len(days.whole(row.day)) for row in rows)
    passed = sum(len(days.passed(row.day)) for row in rows)
    observed = sum(row.observed for row in rows)
    percent = round(100 * observed / passed, 1) if passed else 0.0
    first, last = rows[0].day, rows[-1].day
    if not observed:
        return Summary(first, last, percent)
    seen = [row for row in rows if row.observed]
    complete = [row for row in seen if _is_complete(days, row)]
    latest = (complete or seen)[-1]
    lengths: Counter[int] = Counter()
    for row in rows:
        lengths.update(row.lengths)
    mean = sum((row.mean or 0) * row.observed for row in rows) / observed
    return Summary(
        first=first,
        last=last,
        observed_percent=percent,
        complete=passed == whole and observed >= COVERAGE * whole,
        active_users=active,
        daily_active=_round(sum(row.active for row in complete) / len(complete), 1)
        if complete
        else None,
        weekly_active=latest.active_7,
        monthly_active=latest.active_30,
        newcomers=sum(row.newcomers for row in rows),
        sessions=sum(row.sessions for row in rows),
        median_minutes=_percentile(lengths, 0.5),
        p90_minutes=_percentile(lengths, 0.9),
        active_hours=_hours(sum(row.active_minutes for row in rows)),
        idle_hours=_hours(sum(row.idle for row in rows)),
        unobserved_hours=_hours(sum(row.unobserved for row in rows)),
        server_hours=_hours(sum(row.server for row in rows)),
        mean_servers=_round(mean, 2),
        peak_servers=max(row.peak or 0 for row in seen),
        after_hours=_hours(sum(row.after for row in rows)),
        saved_hours=_hours(sum(row.saved for row in rows)),
    )


def _is_complete(days: Days, row: GroupDay) -> bool:
    whole = days.whole(row.day)
    return whole[-1] < days.now and row.observed >= COVERAGE * len(whole)


def _hours(minutes: int) -> float:
    return round(minutes / 60, 2)


def _round(value: float, digits: int) -> float:
    return round(value, digits)


def _percentile(lengths: Counter[int], share: float) -> int | None:
    ordered = sorted(lengths.elements())
    return ordered[max(1, math.ceil(share * len(ordered))) - 1] if ordered else None


def week_by_hour(rows: Sequence[GroupDay]) -> list[list[float | None]]:
    """Mean active users by weekday and hour, over the days on which the hour was observed."""
    table: list[list[float | None]] = []
    for weekday in range(7):
        mine = [row for row in rows if row.day.weekday() == weekday]
        cells: list[float | None] = []
        for hour in range(24):
            counted = [row.hours[hour] for row in mine if row.observed_hours[hour] >= 90]
            cells.append(_round(sum(counted) / len(counted), 2) if counted else None)
        table.append(cells)
    return table


@dataclass(frozen=True, order=True)
class Person:
    """A row of the table of users."""

    name: str
    deleted: bool
    active: int
    idle: int
    sessions: int
    days_active: int
    last_active: date | None
    last_present: date | None


def people(days: Days, first: date, last: date, group: str | None = None) -> list[Person]:
    """Everyone with an account or, of a group, who was a member; on some of these days."""
    rows = []
    for user in days.seen.users:
        wanted = [day for day in days.days if first <= day <= last]
        if group is None and not any(days.exists(user, day) for day in wanted):
            continue  # although a server may have run before the account was first seen
        if group is not None:
            wanted = [day for day in wanted if days.is_member(user, group, day)]
        if wanted:
            rows.append(_person(days, user, wanted))
    return sorted(rows, key=lambda row: (row.name, row.deleted, row.active))


def _person(days: Days, user: User, wanted: Sequence[date]) -> Person:
    mine = {day: days.user_day(user, day) for day in wanted}
    active = [day for day, one in mine.items() if one.was_active]
    present = [day for day, one in mine.items() if one.was_present]
    return Person(
        name=user.name,
        deleted=user.deleted is not None,
        active=sum(one.active for one in mine.values()),
        idle=sum(one.idle for one in mine.values()),
        sessions=sum(one.sessions for one in mine.values()),
        days_active=len(active),
        last_active=max(active, default=None),
        last_present=max(present, default=None),
    )


def active_users(days: Days, period: Sequence[date], group: str | None = None) -> int:
    """How many users worked in the period; of a group, as its members."""
    return sum(
        any(
            days.user_day(user, day).was_active
            and (group is None or days.is_member(user, group, day))
            for day in period
        )
        for user in days.seen.users
    )


def inactive(days: Days, since: date, group: str | None = None) -> list[str]:
    """The names of current users, of a group of current members, who have not worked since."""
    names = []
    for user in days.seen.users:
        now = user.deleted is None
        if group is not None:
            now = any(one.group == group and one.until is None for one in user.groups)
        worked = any(
            days.user_day(user, day).was_active
            and (group is None or days.is_member(user, group, day))
            for day in days.days
            if day >= since
        )
        if now and not worked:
            names.append(user.name)
    return sorted(names)
