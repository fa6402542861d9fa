"""Who was active: counted, and by name."""

from typing import Any

from sqlalchemy import Select, func, select

from services.stats.days import Period, bounds, midnight
from services.stats.query.access import Members
from services.stats.query.answers import PersonRow
from services.stats.store import tables as t
from services.stats.store.queries.question import Question
from services.stats.store.rollup import UserDay
from services.stats.store.tables import FOREVER

FEW = 500
"""So many people are asked for by their numbers; of more, all are read."""


async def count_active(q: Question, period: Period) -> int:
    """How many different people were active in the period."""
    live = {
        row.user_id
        for row in q.live_users
        if row.was_active
        and period.first <= row.day <= period.last
        and q.visible(row.user_id, row.day)
    }
    if q.windows is None and not live:
        condition = _active_in(period, select(func.count(t.user_days.c.user_id.distinct())))
        return await q.connection.scalar(condition) or 0
    if q.windows is None:
        query = _active_in(period, select(t.user_days.c.user_id).distinct())
        return len(live.union((await q.connection.scalars(query)).all()))
    return len(
        live.union(
            row.user_id
            for row in await _user_days(q)
            if row.was_active and period.first <= row.day <= period.last
        )
    )


def _active_in(period: Period, query: Select[Any]) -> Select[Any]:
    day = t.user_days.c.day
    return query.where(day >= period.first, day <= period.last, t.user_days.c.was_active)


async def _user_days(q: Question) -> list[UserDay]:
    """The rolled-up rows that may be seen, of a group or a person."""
    if q.user_days is None:
        query = select(t.user_days).where(t.user_days.c.day >= q.first, t.user_days.c.day <= q.last)
        if isinstance(q.audience, Members):
            members = select(t.memberships.c.user_id).where(t.memberships.c.group_id == q.group_id)
            query = query.where(t.user_days.c.user_id.in_(members))
        else:
            query = query.where(t.user_days.c.user_id.in_(list(q.windows or ())))
        rows = await q.connection.execute(query)
        q.user_days = [UserDay(*row) for row in rows.all() if q.visible(row.user_id, row.day)]
    return q.user_days


async def there_now(q: Question) -> set[int]:
    """Who has an account and, for a group, is in it."""
    query = select(t.users.c.id).where(t.users.c.deleted == FOREVER)
    if isinstance(q.audience, Members):
        query = query.join(t.memberships).where(
            t.memberships.c.group_id == q.group_id, t.memberships.c.until == FOREVER
        )
    there = set((await q.connection.scalars(query)).all())
    return there if q.windows is None else there & set(q.windows)


async def people(q: Question, only: set[int] | None = None) -> list[PersonRow]:
    sums: dict[int, list[Any]] = {}
    for user_id, *numbers in await _sums(q):
        sums[user_id] = numbers
    for live in q.live_users:
        if q.first <= live.day <= q.last and q.visible(live.user_id, live.day):
            mine = sums.setdefault(live.user_id, [0, 0, 0, 0, None])
            mine[0] += live.active_seconds
            mine[1] += live.idle_seconds
            mine[2] += live.sessions
            mine[3] += live.was_active
            mine[4] = live.day if live.was_active else mine[4]
    nothing = (0, 0, 0, 0, None)
    return [
        PersonRow(name, gone, *sums.get(user_id, nothing))
        for user_id, name, gone in await _named(q, only)
    ]


async def _sums(q: Question) -> list[tuple[Any, ...]]:
    c = t.user_days.c
    if q.windows is None:
        active_day = func.max(c.day).filter(c.was_active)
        query = (
            select(
                c.user_id,
                func.sum(c.active_seconds),
                func.sum(c.idle_seconds),
                func.sum(c.sessions),
                func.count().filter(c.was_active),
                active_day,
            )
            .where(c.day >= q.first, c.day <= q.last)
            .group_by(c.user_id)
        )
        return [tuple(row) for row in (await q.connection.execute(query)).all()]
    sums: dict[int, list[Any]] = {}
    for row in await _user_days(q):
        mine = sums.setdefault(row.user_id, [0, 0, 0, 0, None])
        mine[0] += row.active_seconds
        mine[1] += row.idle_seconds
        mine[2] += row.sessions
        mine[3] += row.was_active
        if row.was_active and (mine[4] is None or row.day > mine[4]):
            mine[4] = row.day
    return [(user_id, *numbers) for user_id, numbers in sums.items()]


async def _named(q: Question, only: set[int] | None) -> list[tuple[int, str, bool]]:
    """Id, name and whether they are gone, of everybody to be listed."""
    c = t.users.c
    query = select(c.id, c.name, (c.deleted < FOREVER).label("gone")).order_by(c.name, c.id)
    if q.windows is None and q.span is not None:
        # Whose account was there on one of the days.
        query = query.where(
            c.deleted >= midnight(q.first, q.zone), c.first_seen < bounds(q.last, q.zone).end
        )
    elif q.windows is not None and len(q.windows) <= FEW:
        query = query.where(c.id.in_(list(q.windows)))
    return [
        (row.id, row.name, bool(row.gone))
        for row in (await q.connection.execute(query)).all()
        if (only is None or row.id in only) and _may_be_listed(q, row.id)
    ]


def _may_be_listed(q: Question, user_id: int) -> bool:
    if q.windows is None:
        return True
    mine = q.windows.get(user_id, ())
    return any(first <= q.last and last >= q.first for first, last in mine)
