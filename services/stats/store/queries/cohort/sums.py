"""What each user of a selection did, summed over stretches of days, counted by the database."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, case, func, literal, select

from services.stats.query.access import Members, WholeHub
from services.stats.store import tables as t
from services.stats.store.queries.selection import Selection

MOST_STRETCHES = 100
"""With more of them, every day is one: the database compares each row with each stretch."""


class Sums(NamedTuple):
    """One user over some days, as far as they may be shown."""

    active_seconds: int = 0
    idle_seconds: int = 0
    sessions: int = 0
    days_active: int = 0
    last_active: date | None = None
    last_present: date | None = None
    first_active: date | None = None

    def plus(self, other: "Sums") -> "Sums":
        """The sums over both."""
        return Sums(
            self.active_seconds + other.active_seconds,
            self.idle_seconds + other.idle_seconds,
            self.sessions + other.sessions,
            self.days_active + other.days_active,
            max(filter(None, (self.last_active, other.last_active)), default=None),
            max(filter(None, (self.last_present, other.last_present)), default=None),
            min(filter(None, (self.first_active, other.first_active)), default=None),
        )


async def total_sums(selection: Selection) -> dict[int, Sums]:
    """By user id, over all days of the selection. Users without any record are missing."""
    totals: dict[int, Sums] = {}
    for (user_id, _), sums in (await sums_by_stretch(selection)).items():
        known = totals.get(user_id)
        totals[user_id] = sums if known is None else known.plus(sums)
    return totals


async def sums_by_stretch(
    selection: Selection, edges: Iterable[date] = ()
) -> Mapping[tuple[int, date], Sums]:
    """By user id and the first day of a stretch.

    A stretch begins on each of the ``edges`` and wherever somebody's days of membership (or of
    exclusion) begin or end, so that all of its days may be shown of a user, or none.
    """
    starts = _starts(selection, edges)
    found: dict[tuple[int, date], Sums] = {}
    for user_id, stretch, *numbers in await selection.connection.execute(_query(selection, starts)):
        start = starts[stretch] if isinstance(stretch, int) else stretch
        if selection.visible(user_id, start):
            found[user_id, start] = Sums(*numbers)
    for live in selection.live_users:
        if not selection.first <= live.day <= selection.last:
            continue
        if not selection.visible(live.user_id, live.day):
            continue
        key = live.user_id, starts[bisect_right(starts, live.day) - 1]
        worked = live.day if live.was_active else None
        own = Sums(
            live.active_seconds,
            live.idle_seconds,
            live.sessions,
            int(live.was_active),
            worked,
            live.day if live.was_present else None,
            worked,
        )
        found[key] = found.get(key, Sums()).plus(own)
    return found


def _starts(selection: Selection, edges: Iterable[date]) -> list[date]:
    """The first days of the stretches."""
    starts = {selection.first, *selection.excluded.edges(), *edges}
    windows = selection.windows or {}
    for first, last in {one for some in windows.values() for one in some}:
        starts.add(first)
        if last < date.max:
            starts.add(last + timedelta(days=1))
    inside = sorted(day for day in starts if selection.first <= day <= selection.last)
    if len(inside) > MOST_STRETCHES:
        length = (selection.last - selection.first).days + 1
        inside = [selection.first + timedelta(days=number) for number in range(length)]
    return inside


def _query(selection: Selection, starts: list[date]) -> Select[Any]:
    c = t.user_days.c
    if len(starts) > MOST_STRETCHES:
        stretch = c.day.label("stretch")
    elif len(starts) > 1:
        # The number of the stretch; a subquery, because PostgreSQL does not recognise the
        # expression in GROUP BY.
        before = [(c.day < start, number) for number, start in enumerate(starts[1:])]
        stretch = case(*before, else_=len(starts) - 1).label("stretch")
    else:
        stretch = literal(0).label("stretch")
    rows = select(t.user_days, stretch).where(
        c.day >= selection.first, c.day <= selection.last, c.day < selection.live_from
    )
    if isinstance(selection.audience, Members):
        members = select(t.memberships.c.user_id).where(
            t.memberships.c.group_id == selection.group_id
        )
        rows = rows.where(c.user_id.in_(members))
    elif not isinstance(selection.audience, WholeHub):
        rows = rows.where(c.user_id.in_(list(selection.windows or ())))
    r = rows.subquery().c
    return select(
        r.user_id,
        r.stretch,
        func.sum(r.active_seconds),
        func.sum(r.idle_seconds),
        func.sum(r.sessions),
        func.count().filter(r.was_active),
        func.max(r.day).filter(r.was_active),
        func.max(r.day).filter(r.was_present),
        func.min(r.day).filter(r.was_active),
    ).group_by(r.user_id, r.stretch)
