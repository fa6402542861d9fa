"""The responses about who dropped off, and about the distribution over people."""

from datetime import date

import msgspec

from services.stats.query.cohort.doubt import Doubt
from services.stats.query.cohort.standing import Standing
from services.stats.web.api.types import Count, DayRange, Hours


class StandingView(msgspec.Struct, frozen=True, kw_only=True):
    """A current user who has not worked for some days."""

    name: str
    standing: Standing
    """`dropped-off`: worked before. `not-started`: never worked. `present`: was at the Hub, and no
    work was observed. `unknown`: may have worked while nothing was observed."""
    doubt: Doubt | None
    """Why the standing is `unknown`. `away`: nothing has been observed since the last complete
    poll. `server`: their server was stopped in a gap. `account`: their account was made again in a
    gap. `later`: not used here. `import`: there is a gap in imported records."""
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


class BinView(msgspec.Struct, frozen=True, kw_only=True):
    """A bar of a histogram, and who is in it."""

    label: str
    start: Hours | None
    """The least value, in minutes per week, days, or days ago; null: never seen."""
    below: Hours | None
    """Values are below this one; null: no upper bound. Equal to ``start`` in the bin of zero."""
    users: Count
    names: list[str]


class QuartilesView(msgspec.Struct, frozen=True, kw_only=True):
    """Active minutes per week. A quarter of the users worked at most ``lower``, half of them at
    least ``median``, a quarter at least ``upper``."""

    lower: Hours
    median: Hours
    upper: Hours


class DistributionAnswer(DayRange, frozen=True, kw_only=True):
    """The users who were there on the last day, by how active they were."""

    users: Count
    weeks: Count
    """The complete calendar weeks; users who joined later count from their week of joining."""
    weeks_left_out: Count
    """Weeks that are not over, only in part in the range, or less than 90 % observed."""
    unobserved_days: Count
    """On how many days before the last one nothing was observed."""
    minutes_per_week: QuartilesView | None
    """null without a complete week."""
    summary: list[str]
    """The same in words."""
    per_week: list[BinView]
    """By active minutes per week; users who joined after the last complete week are in no bin."""
    days_active: list[BinView]
    last_seen: list[BinView]
    """By the days from their last day at the Hub to the last day of the range."""
