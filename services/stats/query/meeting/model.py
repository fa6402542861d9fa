"""What the page for a meeting is about, and its table of figures. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import By, Period, bounds
from services.stats.intervals import Interval
from services.stats.query.cohort.standing import Standings
from services.stats.query.figures import Kind
from services.stats.query.glance.units import EXACT_HOURS
from services.stats.query.people import PersonRow
from services.stats.query.periods import Summary
from services.stats.query.question import Range, Span
from services.stats.query.uncounted import Uncounted
from services.stats.records import GroupDay

WHOLE_HUB = "The whole hub"
"""The title of a page about everybody."""

NOBODY = Uncounted()
"""Everybody is counted."""

MOST_DAYS_BY_DAY = 35
"""Up to this many days, the charts have a bar for each day; beyond, for each week."""

MOST_DAYS_BY_WEEK = 400
"""Up to this many days, the charts have a bar for each week; beyond, for each month."""


@dataclass(frozen=True)
class Meeting:
    """A period of the hub, of a group or of one user, as read from the database."""

    title: str
    period: Period
    span: Span
    now: datetime
    """When the page is made."""
    zone: ZoneInfo
    """The zone of everything on the page."""
    by: By
    """What a bar of the charts stands for."""
    total: Summary
    before: Summary | None
    """The period of equal length before. None: there are no records of it."""
    weeks: Sequence[Summary]
    """The calendar weeks. The first and the last one may be shorter."""
    bars: Sequence[Summary]
    days: Sequence[GroupDay]
    gaps: Sequence[Interval]
    people: Sequence[PersonRow] | None = None
    """None: the page is about one user."""
    standings: Standings | None = None
    """Who did not work at the end of the period. None: it is too short to tell, or one user's."""
    uncounted: Uncounted = NOBODY
    """Users who are left out everywhere, such as staff."""
    whole_hub: bool = False

    @property
    def length(self) -> str:
        """The length of the period, for sentences."""
        return "day" if self.period.days == 1 else f"{self.period.days:,} days"

    @property
    def over(self) -> bool:
        """Whether all of the period had passed at the last poll."""
        return self.span.last_poll >= bounds(self.period.last, self.zone).end

    @property
    def mean_weekly(self) -> float | None:
        """Active users in a week: the mean over whole weeks that were observed; else None."""
        counts = [
            week.active_users
            for week in self.weeks
            if week.complete
            and (week.last - week.first).days == 6
            and week.active_users is not None
        ]
        return sum(counts) / len(counts) if counts else None


class Row(NamedTuple):
    """A row of the table of figures. None is unknown."""

    title: str
    kind: Kind
    value: float | None
    before: float | None
    comparable: bool
    """Whether both periods are complete, so that their difference means something."""

    @property
    def change(self) -> float | None:
        if not self.comparable or self.value is None or self.before is None:
            return None
        values = (self.value, self.before)
        if self.kind is Kind.HOURS and min(values) >= EXACT_HOURS:
            return round(values[0]) - round(values[1])  # as both are displayed
        return round(values[0] - values[1], 2)


_FIGURES = (
    ("People who worked", Kind.NUMBER, "active_users"),
    ("New users", Kind.NUMBER, "newcomers"),
    ("People on an average day", Kind.NUMBER, "daily_active"),
    ("Sessions", Kind.NUMBER, "sessions"),
    ("Hours of work", Kind.HOURS, "active_hours"),
    ("Hours of running servers", Kind.HOURS, "server_hours"),
    ("Most servers at once", Kind.NUMBER, "peak_servers"),
    ("Saved by stopping idle servers (estimate)", Kind.HOURS, "saved_hours"),
)
_OF_SEVERAL = {"active_users", "newcomers", "daily_active"}
"""The figures that say nothing about one user."""


def rows(meeting: Meeting) -> list[Row]:
    """The figures of the period and of the one before."""
    total, before = meeting.total, meeting.before
    comparable = total.complete and before is not None and before.complete
    return [
        Row(
            title,
            kind,
            getattr(total, field),
            getattr(before, field) if before else None,
            comparable,
        )
        for title, kind, field in _FIGURES
        if meeting.people is not None or field not in _OF_SEVERAL
    ]


def shown_days(asked: Range, span: Span, zone: ZoneInfo) -> Period | None:
    """The days of the page: those asked for with records; None if there are none.

    Unless a last day is given, it is the last one that was over at the last poll.
    """
    last = span.last_day
    over = bounds(last, zone).end <= span.last_poll
    if asked.until is None and not over and last > span.first_day:
        last -= timedelta(days=1)
    first, last = asked.days(last)
    first, last = max(first, span.first_day), min(last, span.last_day)
    return Period(first, last) if first <= last else None


def before(period: Period) -> Period:
    """The period of equal length that ends the day before."""
    last = period.first - timedelta(days=1)
    return Period(last - timedelta(days=period.days - 1), last)


def bar_length(period: Period) -> By:
    """What a bar of the charts stands for, so that there are not too many."""
    if period.days <= MOST_DAYS_BY_DAY:
        return By.DAY
    return By.WEEK if period.days <= MOST_DAYS_BY_WEEK else By.MONTH
