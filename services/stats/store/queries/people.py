"""Active users: counted, and listed by name."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Select, func, select

from services.stats.days import Period, bounds, day_of, midnight
from services.stats.query.access import Members
from services.stats.query.people import PersonRow
from services.stats.records import UserDay
from services.stats.store import tables as t
from services.stats.store.queries.cohort.sums import Sums, total_sums
from services.stats.store.queries.observation import hub_days
from services.stats.store.queries.selection import Selection
from services.stats.store.tables import FOREVER

FEW = 500
"""Up to this many users are selected by id in SQL; beyond that, all are read and filtered."""


async def count_active(selection: Selection, period: Period) -> int:
    """The number of distinct users who were active in the period."""
    live = {
        row.user_id
        for row in selection.live_users
        if row.was_active
        and period.first <= row.day <= period.last
        and selection.visible(row.user_id, row.day)
    }
    if selection.windows is None:
        live |= {
            row.user_id
            for row in await _also_counted(selection)
            if row.was_active and period.first <= row.day <= period.last
        }
        counted = selection.excluded.condition(t.user_days.c)
        if not live:
            query = select(func.count(t.user_days.c.user_id.distinct())).where(counted)
            return await selection.connection.scalar(_active_in(selection, period, query)) or 0
        users = _active_in(
            selection, period, select(t.user_days.c.user_id).distinct().where(counted)
        )
        return len(live.union((await selection.connection.scalars(users)).all()))
    return len(
        live.union(
            row.user_id
            for row in await _user_days(selection)
            if row.was_active and period.first <= row.day <= period.last
        )
    )


def _active_in(selection: Selection, period: Period, query: Select[Any]) -> Select[Any]:
    day = t.user_days.c.day
    return query.where(
        day >= period.first,
        day <= period.last,
        day < selection.live_from,
        t.user_days.c.was_active,
    )


async def _user_days(selection: Selection) -> list[UserDay]:
    """The rolled-up rows of a group or a user that may be shown."""
    if selection.user_days is None:
        query = select(t.user_days).where(
            t.user_days.c.day >= selection.first,
            t.user_days.c.day <= selection.last,
            t.user_days.c.day < selection.live_from,
        )
        if isinstance(selection.audience, Members):
            members = select(t.memberships.c.user_id).where(
                t.memberships.c.group_id == selection.group_id
            )
            query = query.where(t.user_days.c.user_id.in_(members))
        else:
            query = query.where(t.user_days.c.user_id.in_(list(selection.windows or ())))
        rows = await selection.connection.execute(query)
        selection.user_days = [
            UserDay(*row) for row in rows.all() if selection.visible(row.user_id, row.day)
        ]
    return selection.user_days


async def _also_counted(selection: Selection) -> list[UserDay]:
    """The rows of the hub's users who are not counted on other days."""
    if selection.also_counted is None:
        selection.also_counted = await selection.excluded.also_counted(
            selection.connection,
            selection.first,
            min(selection.last, selection.live_from - timedelta(days=1)),
        )
    return selection.also_counted


async def current_users(selection: Selection) -> set[int]:
    """Ids of the users who have an account now, count and, for a group, are members now."""
    query = select(t.users.c.id).where(t.users.c.deleted == FOREVER)
    if isinstance(selection.audience, Members):
        query = query.join(t.memberships).where(
            t.memberships.c.group_id == selection.group_id, t.memberships.c.until == FOREVER
        )
    users = set((await selection.connection.scalars(query)).all())
    users -= selection.excluded.on(day_of(selection.now, selection.zone))
    return users if selection.windows is None else users & set(selection.windows)


async def existing_users(selection: Selection) -> set[int]:
    """Ids of the users of the selected days who still have an account."""
    query = select(t.users.c.id, t.users.c.first_seen, t.users.c.deleted).where(
        t.users.c.deleted == FOREVER,
        t.users.c.first_seen < bounds(selection.last, selection.zone).end,
    )
    return {
        row.id
        for row in await selection.connection.execute(query)
        if _may_be_listed(selection, row)
    }


async def was_active(selection: Selection, ids: set[int]) -> set[int]:
    """Those of the users who were active on a day, of any time, that may be shown of them."""
    c = t.user_days.c
    query = select(c.user_id, c.day).where(c.was_active)
    if len(ids) <= FEW:
        query = query.where(c.user_id.in_(list(ids)))
    rows = await selection.connection.execute(query)
    return {
        row.user_id
        for row in rows
        if row.user_id in ids and selection.visible(row.user_id, row.day)
    }


async def people(selection: Selection, ids: set[int] | None = None) -> list[PersonRow]:
    """Every user of the audience, or those with these ids, by name; also without activity."""
    sums = await total_sums(selection)
    nothing = Sums()
    marked = {
        user_id
        for user_id in selection.marked.users
        if selection.marked.overlaps(user_id, selection.first, selection.last)
    }
    rows = [
        PersonRow(name, deleted, *sums.get(user_id, nothing)[:6], excluded=user_id in marked)
        for user_id, name, deleted in await _names(selection, ids)
    ]
    if any(day.servers_known for day in await hub_days(selection)):
        return rows
    return [row._replace(idle_seconds=None, sessions=None) for row in rows]


async def _names(selection: Selection, ids: set[int] | None) -> list[tuple[int, str, bool]]:
    """Id, name and whether the account was deleted, of every user to list."""
    c = t.users.c
    deleted = (c.deleted < FOREVER).label("is_deleted")
    query = select(c.id, c.name, deleted, c.first_seen, c.deleted).order_by(c.name, c.id)
    if selection.windows is None and selection.span is not None:
        # Accounts that existed on at least one of the days.
        query = query.where(
            c.deleted >= midnight(selection.first, selection.zone),
            c.first_seen < bounds(selection.last, selection.zone).end,
        )
    elif selection.windows is not None and len(selection.windows) <= FEW:
        query = query.where(c.id.in_(list(selection.windows)))
    return [
        (row.id, row.name, bool(row.is_deleted))
        for row in (await selection.connection.execute(query)).all()
        if (ids is None or row.id in ids) and _may_be_listed(selection, row)
    ]


def _may_be_listed(selection: Selection, row: Any) -> bool:
    user_id = row.id
    if selection.windows is None:
        return selection.is_counted(user_id, row.first_seen, row.deleted)
    windows = selection.windows.get(user_id, ())
    return any(first <= selection.last and last >= selection.first for first, last in windows)
