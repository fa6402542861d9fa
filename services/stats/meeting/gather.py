"""Reads what the page for a meeting shows."""

from datetime import datetime
from typing import NamedTuple

from services.stats.days import By, Period, periods
from services.stats.query.access import Audience, Individual, WholeHub
from services.stats.query.cohort.standing import DEFAULT_DAYS, Standings
from services.stats.query.meeting.model import NOBODY, Meeting, bar_length, before
from services.stats.query.periods import Summary, by_day
from services.stats.query.question import Span
from services.stats.settings.terms import Terms
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
    terms: Terms = ()
    """Instead of those of the service."""


async def gather(queries: Queries, wanted: Wanted, span: Span) -> Meeting:
    """The page with its numbers. Raises InvalidQuery for bars by term if no terms are known."""
    audience = wanted.audience
    first, last, _ = period = wanted.period
    by = wanted.by or bar_length(period)
    weeks = periods(first, last, By.WEEK)
    days, total, weekly = await queries.overview(audience, first, last, weeks)
    if by is By.DAY:
        bars = by_day(days, first, last, span.last_poll, queries.zone)
    else:
        bars = weekly if by is By.WEEK else await _bars(queries, wanted, by)
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
        gaps=await queries.gaps(first, last),
        people=await queries.people(audience, first, last) if several else None,
        standings=await _standings(queries, wanted) if several else None,
        uncounted=await queries.uncounted(audience, first, last) if several else NOBODY,
        whole_hub=isinstance(audience, WholeHub),
    )


async def _standings(queries: Queries, wanted: Wanted) -> Standings | None:
    """Who did not work at the end of the period; None if it is too short to tell."""
    if wanted.period.days < 2 * DEFAULT_DAYS:
        return None
    return await queries.standings_at_end(wanted.audience, wanted.period, DEFAULT_DAYS, wanted.now)


async def _bars(queries: Queries, wanted: Wanted, by: By) -> list[Summary]:
    first, last, _ = wanted.period
    if by is By.TERM and wanted.terms:
        split = periods(first, last, by, wanted.terms)
    else:
        split = await queries.periods(first, last, by)
    return await queries.summaries(wanted.audience, split)
