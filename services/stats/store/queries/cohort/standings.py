"""Current users who have not worked lately, and how active they were before."""

from datetime import date, timedelta

from sqlalchemy import select

from services.stats.days import days as each_day
from services.stats.query.cohort.standing import StandingRow, Standings, standing_of
from services.stats.store import tables as t
from services.stats.store.queries.cohort.sums import Sums, total_sums
from services.stats.store.queries.observation import hub_days
from services.stats.store.queries.people import current_users
from services.stats.store.queries.selection import Selection
from services.stats.store.tables import FOREVER


async def standings(selection: Selection, days: int) -> Standings:
    """The users who did not work on the last ``days`` days before today, nor today."""
    if selection.span is None:
        return Standings(days, date.min)
    last = selection.span.last_day
    since = last - timedelta(days=days)
    observed = {row.day for row in await hub_days(selection) if row.observed_seconds > 0}
    recent = each_day(max(since, selection.span.first_day), last - timedelta(days=1))
    unobserved = sum(day not in observed for day in recent)
    users = await current_users(selection)
    sums = await total_sums(selection)
    query = select(t.users.c.id, t.users.c.name).where(t.users.c.deleted == FOREVER)
    rows = []
    for user_id, name in await selection.connection.execute(query.order_by(t.users.c.name)):
        if user_id not in users:
            continue
        own = sums.get(user_id, Sums())
        standing = standing_of(own.last_active, own.last_present, since, unobserved)
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
                )
            )
    return Standings(days, since, unobserved, rows)
