"""Reads what the page for a meeting shows."""

from datetime import datetime
from typing import NamedTuple

from services.stats.days import By, Period, periods
from services.stats.query.access import Audience, Individual
from services.stats.query.meeting.model import Meeting, bar_length, before
from services.stats.query.periods import by_day
from services.stats.query.question import Span
from services.stats.store.queries.dashboard import Queries


class Wanted(NamedTuple):
    """A page for a meeting, as asked for."""

    audience: Audience
    title: str
    period: Period
    by: By | None
    """What a bar of the charts stands for; None: what suits the period."""
    now: datetime
    """When the page is made."""


async def gather(queries: Queries, wanted: Wanted, span: Span) -> Meeting:
    """The page with its numbers."""
    audience, period = wanted.audience, wanted.period
    by = wanted.by or bar_length(period)
    weeks = periods(*period, By.WEEK)
    days, total, weekly = await queries.overview(audience, *period, weeks)
    if by is By.DAY:
        bars = by_day(days, *period, span.last_poll, queries.zone)
    else:
        bars = weekly if by is By.WEEK else await queries.summaries(audience, periods(*period, by))
    earlier = before(period)
    recorded = earlier.last >= span.first_day
    several = not isinstance(audience, Individual)
    return Meeting(
        title=wanted.title,
        period=period,
        span=span,
        now=wanted.now,
        zone=queries.zone,
        by=by,
        total=total,
        before=(await queries.summaries(audience, [earlier]))[0] if recorded else None,
        weeks=weekly,
        bars=bars,
        days=days,
        gaps=await queries.gaps(*period),
        people=await queries.people(audience, *period) if several else None,
    )
