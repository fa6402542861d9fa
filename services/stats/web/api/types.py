"""The responses of the JSON API. Times are aware; what was not observed is null, never zero.

``openapi.py`` generates the API's description from these types and their docstrings.
"""

from datetime import date, datetime
from typing import Annotated

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware time, in UTC or the requested time zone."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Hours = Annotated[float, msgspec.Meta(ge=0)]


class TermView(msgspec.Struct, frozen=True, kw_only=True):
    """A term, such as a semester."""

    name: str
    first: date
    last: date


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Your name, what you may see, and the time for which there are records."""

    user: str
    """Empty for a service."""
    whole_hub: bool
    """Whether you may leave out both group and user."""
    groups: tuple[str, ...]
    """The groups whose members you may see, whether or not they exist; empty if you may see
    everything."""
    timezone: str
    """The time zone in which days begin and end."""
    first_day: date | None
    """null before the first poll."""
    last_day: date | None
    last_poll: Time | None
    timelines_from: date | None
    """Earlier days have totals, but no timelines, gaps or concurrency."""
    starts_counted_until: Time | None
    """When the Hub's metrics were last read, which count the starts of servers; null: never. If
    this is long before ``last_poll``, they cannot be read; the log of the service says why."""
    made_up: bool
    """Whether the database holds demo data."""
    exclude: tuple[str, ...]
    """Who is not counted: names and globs of users, `group:NAME` or `admins`. Empty unless you may
    see everything."""
    terms: tuple[TermView, ...]
    """The hub's terms, for `by=term`."""


class DayRange(msgspec.Struct, frozen=True, kw_only=True):
    """The days that the response covers: the requested ones with records, or null."""

    first: date | None
    last: date | None
    timezone: str
    """The time zone in which days begin and end."""


class PeriodView(msgspec.Struct, frozen=True, kw_only=True):
    """A day or other period in numbers; all null if nothing was observed."""

    first: date
    last: date
    observed_percent: Annotated[float, msgspec.Meta(ge=0, le=100)]
    """The share of the time that was observed."""
    complete: bool
    """Whether the period is over and at least 90 % of it was observed; otherwise the counts are
    lower bounds."""
    active_users: Count | None
    """Distinct users who were active in the period."""
    daily_active: float | None
    """Active users per day: the mean over complete days."""
    weekly_active: Count | None
    """In the 7 days that end with the period."""
    monthly_active: Count | None
    """In the 30 days that end with the period."""
    daily_by_monthly: float | None
    newcomers: Count | None
    sessions: Count | None
    """Started in the period and seen by polls; see ``resolution_seconds``."""
    starts: Count | None
    """Starts counted by the Hub, however short the sessions; null for groups and users, and if
    the Hub's metrics could not be read."""
    median_minutes: Count | None
    """Of sessions that ended; also null if none did."""
    p90_minutes: Count | None
    p99_minutes: Count | None
    active_hours: Hours | None
    idle_hours: Hours | None
    """Observed time in which a user had a running server but was not active."""
    unobserved_hours: Hours | None
    """Time in which a user had a running server and nothing was observed."""
    server_hours: Hours | None
    mean_servers: Hours | None
    peak_servers: Count | None
    peak_at: Time | None
    after_hours: Hours | None
    """How long the servers that stopped had kept running after their last activity."""
    saved_hours: Hours | None
    """An estimate: how much longer the servers that stopped while idle would have run, until used
    again, at most 24 h each."""
    saved_audited: bool | None
    """Whether the culler's audit log says of each of these servers that the culler stopped it;
    null: no server stopped while idle."""
    name: str | None
    """Of the term; `between terms` for the days in none; null for other periods."""


class SessionRange(DayRange, frozen=True, kw_only=True):
    """The days, and what polls can see of sessions."""

    resolution_seconds: Count | None = None
    """The longest interval between polls. Sessions that ran only between two polls are not counted,
    and the lengths of sessions are exact to this. null without records."""


class SummaryAnswer(SessionRange, frozen=True, kw_only=True):
    """The whole range, and its periods."""

    total: PeriodView | None
    periods: list[PeriodView]
    not_counted: Count
    """Users, such as staff, who are left out of these numbers on at least one day. The numbers of
    servers that run at the same time on the whole hub include theirs."""
    not_counted_since: date | None
    """If some of the days were counted before these users were left out: the first day on which
    they are."""


class DayView(msgspec.Struct, frozen=True, kw_only=True):
    """A day in numbers; all null if nothing was observed."""

    day: date
    observed_seconds: Count
    members: Count | None
    """Members of the group, or accounts of the hub."""
    newcomers: Count | None
    active: Count | None
    active_7: Count | None
    """Distinct users who were active in the 7 days that end with this one."""
    active_30: Count | None
    sessions: Count | None
    starts: Count | None
    active_seconds: Count | None
    idle_seconds: Count | None
    unobserved_seconds: Count | None
    server_seconds: Count | None
    after_seconds: Count | None
    saved_seconds: Count | None
    mean_servers: Hours | None
    peak_servers: Count | None
    peak_at: Time | None


class DaysAnswer(SessionRange, frozen=True, kw_only=True):
    """Each day, oldest first."""

    days: list[DayView]


class WeekAnswer(DayRange, frozen=True, kw_only=True):
    """Mean active users in each hour of the week."""

    users: list[list[Hours | None]]
    """Seven weekdays from Monday, each with 24 hours; null: never observed."""


class LengthClass(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions whose length is within these bounds."""

    from_minutes: Count
    below_minutes: Count | None
    """null: no upper bound."""
    sessions: Count


class LengthsAnswer(SessionRange, frozen=True, kw_only=True):
    """Lengths of the sessions that ended."""

    sessions: Count | None
    """null, like the rest, if nothing was observed."""
    median_minutes: Count | None
    p90_minutes: Count | None
    p99_minutes: Count | None
    classes: list[LengthClass]


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table of users. Sums are over the requested days."""

    name: str
    deleted: bool
    last_active: date | None
    last_present: date | None
    """The last day on which they were at the Hub, whether or not they worked."""
    days_active: Count
    sessions: Count | None
    """null, like ``idle_seconds``, if no servers were recorded on these days."""
    active_seconds: Count
    idle_seconds: Count | None
    excluded: bool
    """Whether they are not counted on at least one of these days; such users are only listed with
    `excluded=1`."""


class PeopleAnswer(SessionRange, frozen=True, kw_only=True):
    """A page of the table of users, including users without activity."""

    people: list[PersonView]
    total: Count
    """The number of rows on all pages."""
    page: Count
    pages: Count


class InactiveView(msgspec.Struct, frozen=True, kw_only=True):
    """A user who has not been active."""

    name: str
    last_active: date | None
    """Their last active day; null: never, as far as is known."""
    last_present: date | None
    """Their last day at the Hub. If it is on ``since`` or later, they opened a page of the Hub, or
    did something while nothing was observed."""
    days_active: Count
    """The number of days on which they were active before."""
    excluded: bool
    """Whether they are not counted; such users are only listed with `excluded=1`."""


class InactiveAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Current users, or members of the group, not active on ``since`` or later."""

    since: date | None
    timezone: str
    people: list[InactiveView]
    total: Count
    page: Count
    pages: Count


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a server."""

    server: str
    """Empty for the default server."""
    profile: str | None
    started: Time
    last_activity: Time
    ended: Time | None
    """null: it was running at the last poll."""


class IntervalView(msgspec.Struct, frozen=True, kw_only=True):
    """An interval; start and end are equal for a single moment."""

    start: Time
    end: Time


class TimelineAnswer(SessionRange, frozen=True, kw_only=True):
    """A user's sessions and activity, and the times that were not observed."""

    user: str
    deleted: bool
    sessions: list[SessionView]
    work: list[IntervalView]
    gaps: list[IntervalView]


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """A group that you may see."""

    name: str
    members: Count
    """Current members; past days count their members at the time."""


class GroupsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The groups that you may see, by name."""

    groups: list[GroupView]
    total: Count
    page: Count
    pages: Count


class GapsAnswer(DayRange, frozen=True, kw_only=True):
    """The times that were not observed."""

    gaps: list[IntervalView]


class MomentView(msgspec.Struct, frozen=True, kw_only=True):
    """Servers running at a moment; null: not observed."""

    time: Time
    servers: Count | None


class ConcurrencyAnswer(DayRange, frozen=True, kw_only=True):
    """Running servers at evenly spaced moments."""

    moments: list[MomentView]
