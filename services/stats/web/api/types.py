"""What the JSON API answers. Times are aware; what was not observed is null, never zero.

``openapi.py`` describes the API from these types, with the classes' docstrings.
"""

from datetime import date, datetime
from typing import Annotated

import msgspec

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""An aware time; in UTC, or in the time zone that was asked for."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Hours = Annotated[float, msgspec.Meta(ge=0)]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, what they may see, and what there is anything about."""

    user: str
    """Empty for a service."""
    whole_hub: bool
    """Whether they may leave out group and user."""
    groups: tuple[str, ...]
    """Of whose members they may see everything, whether the Hub has such a group or not; empty
    where they may see all."""
    timezone: str
    """Where a day begins and ends."""
    first_day: date | None
    """null: nothing was recorded yet."""
    last_day: date | None
    last_poll: Time | None
    timelines_from: date | None
    """Of days before there are sums, but no timelines, gaps and concurrency any more."""
    made_up: bool
    """Whether all of it is demo data."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which days the answer is about: those asked for of which there is a record, or null."""

    first: date | None
    last: date | None
    timezone: str
    """Where a day begins and ends."""


class PeriodView(msgspec.Struct, frozen=True, kw_only=True):
    """A day, week or month in numbers; all null if nobody was looking."""

    first: date
    last: date
    observed_percent: Annotated[float, msgspec.Meta(ge=0, le=100)]
    """How much of the time the recorder was looking."""
    active_users: Count | None
    """Different people active in the period."""
    daily_active: float | None
    """People active a day, the mean over observed days."""
    weekly_active: Count | None
    """In the 7 days that end with the period."""
    monthly_active: Count | None
    """In the 30 days that end with the period."""
    daily_by_monthly: float | None
    newcomers: Count | None
    sessions: Count | None
    median_minutes: Count | None
    """Of sessions that ended; null also if none did."""
    p90_minutes: Count | None
    p99_minutes: Count | None
    active_hours: Hours | None
    idle_hours: Hours | None
    """A server ran and its user did not work."""
    server_hours: Hours | None
    mean_servers: Hours | None
    peak_servers: Count | None
    peak_at: Time | None
    after_hours: Hours | None
    """How long servers that ended had run on after their last activity."""
    saved_hours: Hours | None
    """How much longer they would have run: until used again, a day at most."""


class SummaryAnswer(Asked, frozen=True, kw_only=True):
    """All of it, and in periods."""

    total: PeriodView | None
    periods: list[PeriodView]


class DayView(msgspec.Struct, frozen=True, kw_only=True):
    """A day; all null if nobody was looking."""

    day: date
    observed_seconds: Count
    members: Count | None
    """Who was in the group, or had an account."""
    newcomers: Count | None
    active: Count | None
    active_7: Count | None
    """Active in the 7 days up to it."""
    active_30: Count | None
    sessions: Count | None
    active_seconds: Count | None
    idle_seconds: Count | None
    server_seconds: Count | None
    after_seconds: Count | None
    saved_seconds: Count | None
    mean_servers: Hours | None
    peak_servers: Count | None
    peak_at: Time | None


class DaysAnswer(Asked, frozen=True, kw_only=True):
    """Each day, the oldest first."""

    days: list[DayView]


class WeekAnswer(Asked, frozen=True, kw_only=True):
    """Users active in each hour of the week, the mean."""

    users: list[list[Hours | None]]
    """Seven weekdays from Monday, of 24 hours; null: never seen."""


class LengthClass(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions of so many minutes."""

    from_minutes: Count
    below_minutes: Count | None
    """null: without an end."""
    sessions: Count


class LengthsAnswer(Asked, frozen=True, kw_only=True):
    """How long sessions were that ended."""

    sessions: Count | None
    """null, as the rest: nobody was looking."""
    median_minutes: Count | None
    p90_minutes: Count | None
    p99_minutes: Count | None
    classes: list[LengthClass]


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table of users. Sums are over the days asked for."""

    name: str
    deleted: bool
    last_active: date | None
    days_active: Count
    sessions: Count
    active_seconds: Count
    idle_seconds: Count


class PeopleAnswer(Asked, frozen=True, kw_only=True):
    """A page of the table of users, those included who did nothing."""

    people: list[PersonView]
    total: Count
    """How many match."""
    page: Count
    pages: Count


class InactiveView(msgspec.Struct, frozen=True, kw_only=True):
    """Who has not been active."""

    name: str
    last_active: date | None
    """Their last day before; null: never, as far as is known."""
    days_active: Count
    """On how many days before."""


class InactiveAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who has an account, is in the group, and has not been active since that day (included)."""

    since: date | None
    timezone: str
    people: list[InactiveView]
    total: Count
    page: Count
    pages: Count


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a server."""

    server: str
    """Empty for the default server."""
    profile: str | None
    started: Time
    last_activity: Time
    ended: Time | None
    """null: it ran at the last poll."""


class IntervalView(msgspec.Struct, frozen=True, kw_only=True):
    """From when to when; equal if it was but a moment."""

    start: Time
    end: Time


class TimelineAnswer(Asked, frozen=True, kw_only=True):
    """One person's sessions and work, and when nobody was looking."""

    user: str
    deleted: bool
    sessions: list[SessionView]
    work: list[IntervalView]
    gaps: list[IntervalView]


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """A group that may be asked for."""

    name: str
    members: Count
    """Now; the members of then are counted for days gone by."""


class GroupsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The groups that who asks may see, by name."""

    groups: list[GroupView]
    total: Count
    page: Count
    pages: Count


class GapsAnswer(Asked, frozen=True, kw_only=True):
    """When nobody was looking."""

    gaps: list[IntervalView]


class MomentView(msgspec.Struct, frozen=True, kw_only=True):
    """Servers that ran at a moment; null: nobody was looking."""

    time: Time
    servers: Count | None


class ConcurrencyAnswer(Asked, frozen=True, kw_only=True):
    """Running servers at moments evenly apart."""

    moments: list[MomentView]
