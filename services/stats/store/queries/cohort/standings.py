"""Users who have not worked lately, and how active they were before."""

from datetime import date, datetime, timedelta

from sqlalchemy import select

from services.stats.days import days as each_day
from services.stats.query.cohort.standing import StandingRow, Standings, standing_of
from services.stats.store import tables as t
from services.stats.store.queries.cohort.doubts import doubts
from services.stats.store.queries.cohort.sums import Sums, total_sums
from services.stats.store.queries.observation import hub_days
from services.stats.store.queries.people import current_users, existing_users
from services.stats.store.queries.selection import Selection
from services.stats.store.tables import FOREVER


async def standings(selection: Selection, days: int, away: datetime | None = None) -> Standings:
    """The current users who did not work on the last ``days`` days before today, nor today.

    ``away``: the time of the last complete poll if the next one is overdue.
    """
    if selection.span is None:
        return Standings(days, date.min)
    last = selection.span.last_day
    since = last - timedelta(days=days)
    observed = {row.day for row in await hub_days(selection) if row.observed_seconds > 0}
    recent = each_day(max(since, selection.span.first_day), last - timedelta(days=1))
    unobserved = sum(day not in observed for day in recent)
    rows = await _rows(selection, since, await current_users(selection), away)
    return Standings(days, since, unobserved, rows)


async def standings_at_end(
    selection: Selection, days: int, away: datetime | None = None
) -> Standings:
    """The users of the selected days who did not work on the last ``days`` of them.

    Those whose account has been deleted are left out. What they did before the selection does
    not count.
    """
    since = selection.last - timedelta(days=days - 1)
    if selection.empty:
        return Standings(days, since)
    rows = await _rows(selection, since, await existing_users(selection), away)
    return Standings(days, since, rows=rows)


async def _rows(
    selection: Selection, since: date, users: set[int], away: datetime | None
) -> list[StandingRow]:
    sums, nothing = await total_sums(selection), Sums()
    # There is no doubt about a user who was seen to work or to be there.
    unseen = {
        user_id
        for user_id in users
        if (last := sums.get(user_id, nothing).last_present) is None or last < since
    }
    doubt_of = await doubts(selection, since, unseen, away)
    query = select(t.users.c.id, t.users.c.name).where(t.users.c.deleted == FOREVER)
    rows = []
    for user_id, name in await selection.connection.execute(query.order_by(t.users.c.name)):
        if user_id not in users:
            continue
        own, doubt = sums.get(user_id, nothing), doubt_of.get(user_id)
        standing = standing_of(own.last_active, own.last_present, since, doubt)
        if standing is not None:
            rows.append(
                StandingRow(
                    name,
                    standing,
                    own.last_active,
                    own.last_present,
                    own.days_active,
                    own.active_seconds,
                    own.first_active,
                    doubt,
                )
            )
    return rows
