"""The three figures at the top of the overview: people this week, servers, who has not started.

They are about now, whatever days the rest of the page covers. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import Period, day_of
from services.stats.query.periods import DayLength, day_lengths, is_complete
from services.stats.records import GAP, GroupDay

WEEK = timedelta(days=7)


class People(NamedTuple):
    """The distinct users who were active on some days."""

    period: Period
    number: int | None
    """None: nothing was observed."""
    whole: bool
    """Whether at least 90 % was observed of the time that has passed. Else ``number`` is a lower
    bound."""


class Peak(NamedTuple):
    """The most servers that ran at once. None: not observed."""

    number: int | None = None
    at: datetime | None = None


class NotStarted(NamedTuple):
    """Current users who have never been active as far back as the records go."""

    number: int
    present: int
    """How many of them were at the Hub, so that they may have worked while nothing was observed."""
    of: int
    """The number of current users."""
    since: date
    """The first day with records."""


class Latest(NamedTuple):
    """The last complete poll."""

    time: datetime
    interval: int
    """Seconds until the next one was due."""
    servers: int | None


@dataclass(frozen=True)
class Headline:
    """The figures."""

    this_week: People
    """Monday to today."""
    last_week: People | None
    """The same weekdays of the week before. None: the records begin later."""
    latest: Latest
    now: bool
    """Whether the last poll is recent enough to say how many servers run now."""
    peak_today: Peak
    peak_week: Peak
    not_started: NotStarted

    @property
    def change(self) -> int | None:
        """How many more people than last week; None if either number is not exact."""
        this, last = self.this_week, self.last_week
        if last is None or this.number is None or last.number is None:
            return None
        return this.number - last.number if this.whole and last.whole else None


def weeks(today: date) -> tuple[Period, Period]:
    """This week from Monday to ``today``, and the same weekdays of the week before."""
    monday = today - timedelta(days=today.weekday())
    return Period(monday, today), Period(monday - WEEK, today - WEEK)


def people(
    period: Period, rows: Sequence[GroupDay], active: int, last_poll: datetime, zone: ZoneInfo
) -> People:
    """``active`` distinct users on these days; ``rows`` are the days with records.

    ``last_poll`` is when the observation ends: time after it is not observed, but has passed only
    up to today, which the period's last day is at most.
    """
    inside = [row for row in rows if period.first <= row.day <= period.last]
    observed = sum(row.observed_seconds for row in inside)
    lengths = day_lengths(period.first, period.last, last_poll, zone).values()
    passed = sum(length.passed for length in lengths)
    whole = is_complete(observed, DayLength(passed, passed))
    return People(period, active if observed else None, whole)


def peak(period: Period, rows: Sequence[GroupDay]) -> Peak:
    """The most servers at once on these days."""
    known = [row for row in rows if period.first <= row.day <= period.last and row.peak is not None]
    if not known:
        return Peak()
    most = max(known, key=lambda row: row.peak or 0)
    return Peak(most.peak, most.peak_at)


def is_current(latest: Latest, now: datetime) -> bool:
    """Whether no poll is overdue, so that the last one describes the present."""
    return now - latest.time <= timedelta(seconds=GAP * latest.interval)


def headline(
    *,
    rows: Sequence[GroupDay],
    active: tuple[int, int],
    latest: Latest,
    not_started: NotStarted,
    now: datetime,
    zone: ZoneInfo,
) -> Headline:
    """``active``: the distinct users of this week and of the same weekdays of last week."""
    today = day_of(now, zone)
    this, last = weeks(today)
    # A recorder that has stopped does not make the rest of the week observed.
    until = latest.time if is_current(latest, now) else now
    recorded = last.last >= not_started.since
    return Headline(
        this_week=people(this, rows, active[0], until, zone),
        last_week=people(last, rows, active[1], until, zone) if recorded else None,
        latest=latest,
        now=is_current(latest, now),
        peak_today=peak(Period(today, today), rows),
        peak_week=peak(this, rows),
        not_started=not_started,
    )
