"""Who may have worked while nothing was observed, read from the database."""

from collections.abc import Iterable, Set
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import or_, select

from services.stats.days import bounds, day_of, midnight
from services.stats.days import days as each_day
from services.stats.intervals import Interval
from services.stats.query.cohort.doubt import Doubt, Gap, gaps_between
from services.stats.records import GAP
from services.stats.store import tables as t
from services.stats.store.daily.records import read_polls
from services.stats.store.queries.observation import hub_days
from services.stats.store.queries.selection import Selection
from services.stats.store.tables import FOREVER

AT_ONCE = 100
"""Gaps in one query."""


class _Day(NamedTuple):
    """A day that was not fully observed, and of which no raw records are kept."""

    day: date
    imported: bool


async def doubts(
    selection: Selection, since: date, users: Set[int], away: datetime | None
) -> dict[int, Doubt]:
    """Why it is not known of some of the users whether they worked on ``since`` or later.

    Up to the end of the selection. Users without doubt are missing. ``away``: the time of the last
    complete poll if the next one is overdue.
    """
    if selection.span is None or not users:
        return {}
    if away is not None and bounds(selection.last, selection.zone).end > away:
        return dict.fromkeys(users, Doubt.AWAY)
    gaps, pruned = await _gaps(selection, since), await _pruned(selection, since)
    found: dict[int, Doubt] = {}
    if pruned:
        found |= await _ran_on_pruned_days(selection, users, pruned)
    found |= await _stopped_in_gaps(selection, since, users, gaps)
    found |= await _made_again(selection, since, users, gaps, pruned)
    found |= await _seen_later(selection, users, gaps)
    imported = [one.day for one in pruned if one.imported]
    for gap in gaps:
        imported += () if gap.compared else _days_of(selection, since, gap)
    for user_id in users - found.keys() if imported else ():
        if _any_visible(selection, user_id, imported):
            found[user_id] = Doubt.IMPORT
    return found


async def _gaps(selection: Selection, since: date) -> list[Gap]:
    """The gaps that have a part in the days in question, as far as raw polls are kept."""
    assert selection.span is not None  # noqa: S101 - checked by the caller
    found: dict[Gap, None] = {}
    for first, last in await _partly_observed(selection, max(since, selection.span.timelines_from)):
        window = Interval(midnight(first, selection.zone), bounds(last, selection.zone).end)
        polls = await read_polls(selection.connection, window)
        found |= dict.fromkeys(gaps_between(polls))
    return list(found)


async def _partly_observed(selection: Selection, since: date) -> list[tuple[date, date]]:
    """Runs of days that were not fully observed."""
    seconds = {row.day: row.observed_seconds for row in await hub_days(selection)}
    runs: list[tuple[date, date]] = []
    for day in each_day(max(since, selection.first), selection.last):
        if seconds.get(day, 0) >= bounds(day, selection.zone).seconds:
            continue
        if runs and runs[-1][1] == day - timedelta(days=1):
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


async def _pruned(selection: Selection, since: date) -> list[_Day]:
    """The days in question without raw polls that were not fully observed."""
    assert selection.span is not None  # noqa: S101 - checked by the caller
    until = selection.span.timelines_from - timedelta(days=1)
    known = {row.day: row.servers_known for row in await hub_days(selection)}
    return [
        _Day(day, imported=not known.get(day, True))
        for first, last in await _partly_observed(selection, since)
        for day in each_day(first, min(last, until))
    ]


async def _stopped_in_gaps(
    selection: Selection, since: date, users: Set[int], gaps: list[Gap]
) -> dict[int, Doubt]:
    """The users of servers that ran when a gap began, and not when it ended.

    A server of which only the last poll before the gap is known ends at that poll. One that was
    being stopped when the gap ended is missing from the next poll.
    """
    c, found = t.sessions.c, {}
    for number in range(0, len(gaps), AT_ONCE):
        some = gaps[number : number + AT_ONCE]
        ends = {gap: gap.end + timedelta(seconds=GAP * gap.interval) for gap in some}
        query = select(c.user_id, c.started, c.ended).where(
            c.ended < FOREVER,
            or_(*((c.ended >= gap.start) & (c.ended <= end) for gap, end in ends.items())),
        )
        for user_id, started, ended in await selection.connection.execute(query):
            if user_id in users and any(
                started <= gap.start <= ended <= end
                and _any_visible(selection, user_id, _days_of(selection, since, gap))
                for gap, end in ends.items()
            ):
                found[user_id] = Doubt.SERVER
    return found


async def _seen_later(selection: Selection, users: Set[int], gaps: list[Gap]) -> dict[int, Doubt]:
    """The users who were active after the selection, in a gap that began before its end."""
    end = bounds(selection.last, selection.zone).end
    if not gaps or gaps[-1].end <= end:
        return {}
    c = t.activity.c
    query = select(c.user_id).where(c.start >= end, c.start <= gaps[-1].end)
    later = set(await selection.connection.scalars(query))
    return dict.fromkeys(users & later, Doubt.LATER)


async def _ran_on_pruned_days(
    selection: Selection, users: Set[int], pruned: list[_Day]
) -> dict[int, Doubt]:
    """The users whose server ran while nothing was observed, by the totals of the day."""
    c = t.user_days.c
    query = select(c.user_id, c.day).where(
        c.day >= pruned[0].day, c.day <= pruned[-1].day, c.unobserved_seconds > 0
    )
    return {
        user_id: Doubt.SERVER
        for user_id, day in await selection.connection.execute(query)
        if user_id in users and selection.visible(user_id, day)
    }


async def _made_again(
    selection: Selection, since: date, users: Set[int], gaps: list[Gap], pruned: list[_Day]
) -> dict[int, Doubt]:
    """The users whose account was made after a gap began, although they were known before."""
    windows = [(gap.start, _days_of(selection, since, gap)) for gap in gaps]
    windows += [(midnight(one.day, selection.zone), [one.day]) for one in pruned]
    if not windows:
        return {}
    c = t.users.c
    query = select(c.id, c.first_seen, c.created).where(
        c.created > min(start for start, _ in windows)
    )
    return {
        row.id: Doubt.ACCOUNT
        for row in await selection.connection.execute(query)
        if row.id in users
        and any(
            row.first_seen <= start < row.created and _any_visible(selection, row.id, days)
            for start, days in windows
        )
    }


def _days_of(selection: Selection, since: date, gap: Gap) -> list[date]:
    """The days in question that have a part in the gap."""
    first = max(since, selection.first, day_of(gap.start, selection.zone))
    return list(each_day(first, min(selection.last, day_of(gap.end, selection.zone))))


def _any_visible(selection: Selection, user_id: int, days: Iterable[date]) -> bool:
    return any(selection.visible(user_id, day) for day in days)
