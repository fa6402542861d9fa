"""Turns what the database returned about a cohort into the API's responses. Pure."""

from services.stats.query.cohort.standing import StandingRow, Standings
from services.stats.query.people import TablePage
from services.stats.web.api import cohort_types as types


def standings(
    found: Standings, table: TablePage[StandingRow], timezone: str, *, recorded: bool
) -> types.StandingsAnswer:
    return types.StandingsAnswer(
        since=found.since if recorded else None,
        days=found.days,
        unobserved_days=found.unobserved,
        timezone=timezone,
        people=[
            types.StandingView(
                name=row.name,
                standing=row.standing,
                last_active=row.last_active,
                last_present=row.last_present,
                days_active=row.days_active,
                active_seconds=row.active_seconds,
                hours_per_week=row.hours_per_week,
            )
            for row in table.rows
        ],
        total=table.total,
        page=table.page,
        pages=table.pages,
    )
