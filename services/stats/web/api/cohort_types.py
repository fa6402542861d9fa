"""The responses about who dropped off, and about the distribution over people."""

from datetime import date

import msgspec

from services.stats.query.cohort.standing import Standing
from services.stats.web.api.types import Count, Hours


class StandingView(msgspec.Struct, frozen=True, kw_only=True):
    """A current user who has not worked for some days."""

    name: str
    standing: Standing
    """`dropped-off`: worked before. `not-started`: never worked. `present`: was at the Hub, and no
    work was observed. `unknown`: worked before, and may have worked while nothing was observed."""
    last_active: date | None
    last_present: date | None
    days_active: Count
    active_seconds: Count
    hours_per_week: Hours | None
    """Active hours per week, from the first to the last active day; null: never active."""


class StandingsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Current users, or members of the group, not active on ``since`` or later."""

    since: date | None
    """``days`` days before the last day with records; null without records."""
    days: Count
    unobserved_days: Count
    """On how many of the days before today nothing was observed."""
    timezone: str
    people: list[StandingView]
    total: Count
    page: Count
    pages: Count
