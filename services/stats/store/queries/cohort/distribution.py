"""What each user did in a range of days, for their distribution."""

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import select

from services.stats.days import By, Period, bounds, day_of, days, midnight, periods
from services.stats.query.cohort.distribution import Distribution, Share
from services.stats.query.periods import DayLength, day_lengths, is_complete
from services.stats.store import tables as t
from services.stats.store.queries.cohort.sums import Sums, sums_by_stretch
from services.stats.store.queries.observation import hub_days
from services.stats.store.queries.selection import Selection


async def distribution(selection: Selection, first: date) -> Distribution:
    """Of the users who were there on the last day of the selection, from ``first`` on.

    The selection begins with the records, because a user may have been seen last before ``first``.
    """
    last, span = selection.last, selection.span
    first = max(first, selection.first)
    if span is None or first > last:
        return Distribution(first, last)
    observed = {row.day: row.observed_seconds for row in await hub_days(selection)}
    weeks = periods(first, last, By.WEEK)
    complete = [week for week in weeks if _is_complete(selection, week, observed)]
    # The edges of runs of complete weeks: between two weeks in a row, there is none.
    edges: set[date] = set()
    for week in complete:
        edges ^= {week.first, week.last + timedelta(days=1)}
    edges.add(first)
    of_user: dict[int, list[tuple[date, Sums]]] = {}
    for (user_id, start), sums in (await sums_by_stretch(selection, edges)).items():
        of_user.setdefault(user_id, []).append((start, sums))
    users = []
    for user_id, name, joined in await _users(selection, last):
        weeks_there = _weeks_there(selection, user_id, joined, complete)
        users.append(_share(name, weeks_there, of_user.get(user_id, ()), complete, first))
    days_before = (first + timedelta(days=number) for number in range((last - first).days))
    return Distribution(
        first,
        last,
        weeks=len(complete),
        left_out=len(weeks) - len(complete),
        unobserved=sum(not observed.get(day) for day in days_before),
        today=last == span.last_day,
        users=users,
    )


def _is_complete(selection: Selection, week: Period, observed: dict[date, int]) -> bool:
    if week.days < 7:
        return False
    lengths = day_lengths(week.first, week.last, selection.now, selection.zone)
    total = DayLength(
        sum(length.whole for length in lengths.values()),
        sum(length.passed for length in lengths.values()),
    )
    return is_complete(sum(observed.get(day, 0) for day in lengths), total)


async def _users(selection: Selection, last: date) -> list[tuple[int, str, date]]:
    """Id, name and first day of the users who were there on the last day, by name."""
    c = t.users.c
    query = (
        select(c.id, c.name, c.first_seen)
        .where(
            c.first_seen < bounds(last, selection.zone).end,
            c.deleted > midnight(last, selection.zone),
        )
        .order_by(c.name, c.id)
    )
    return [
        (row.id, row.name, day_of(row.first_seen, selection.zone))
        for row in await selection.connection.execute(query)
        if selection.visible(row.id, last)
    ]


def _weeks_there(
    selection: Selection, user_id: int, joined: date, complete: Sequence[Period]
) -> int:
    """In how many of the complete weeks the user had an account and, in a group, was a member."""
    if selection.windows is None and selection.is_partly_counted(user_id):
        return sum(
            any(selection.visible(user_id, day) for day in days(max(week.first, joined), week.last))
            for week in complete
        )
    if selection.windows is None:
        return sum(week.last >= joined for week in complete)
    windows = selection.windows.get(user_id, ())
    return sum(
        any(first <= week.last and last >= week.first for first, last in windows)
        for week in complete
    )


def _share(
    name: str,
    weeks: int,
    stretches: Sequence[tuple[date, Sums]],
    complete: Sequence[Period],
    first: date,
) -> Share:
    """The stretches are those of one user; none is only in part in a complete week."""
    active_seconds = days_active = 0
    last_seen: date | None = None
    for start, sums in stretches:
        if start >= first:
            days_active += sums.days_active
        if any(week.first <= start <= week.last for week in complete):
            active_seconds += sums.active_seconds
        if sums.last_present is not None and (last_seen is None or sums.last_present > last_seen):
            last_seen = sums.last_present
    return Share(name, weeks, active_seconds, days_active, last_seen)
