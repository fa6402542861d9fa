"""Turns what the database returned about a cohort into the API's responses. Pure."""

from services.stats.query.cohort.distribution import (
    HISTOGRAMS,
    Distribution,
    Histogram,
    quartiles_of,
)
from services.stats.query.cohort.standing import StandingRow, Standings
from services.stats.query.people import TablePage
from services.stats.web.api import cohort_types as types
from services.stats.web.api.responses import Days


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
                doubt=row.doubt,
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


def distribution(found: Distribution, of: Days, timezone: str) -> types.DistributionAnswer:
    first, last = of or (None, None)
    quartiles = quartiles_of(found)
    effort, days_active, last_seen = (make(found) for make in HISTOGRAMS.values())
    return types.DistributionAnswer(
        first=first,
        last=last,
        timezone=timezone,
        users=len(found.users),
        weeks=found.weeks,
        weeks_left_out=found.left_out,
        unobserved_days=found.unobserved,
        minutes_per_week=(
            types.QuartilesView(
                lower=quartiles.lower, median=quartiles.median, upper=quartiles.upper
            )
            if quartiles
            else None
        ),
        summary=list(effort.sentences),
        per_week=_bins(effort),
        days_active=_bins(days_active),
        last_seen=_bins(last_seen),
    )


def _bins(histogram: Histogram) -> list[types.BinView]:
    return [
        types.BinView(
            label=one.label,
            start=one.start,
            below=one.end,
            users=len(one.users),
            names=[user.name for user in one.users],
        )
        for one in histogram.bins
    ]
