"""The responses about servers. ``openapi.py`` generates their description from these types."""

from datetime import date
from typing import Annotated

import msgspec

from services.stats.web.api.types import Count, DayRange, Hours, Time


class UseView(msgspec.Struct, frozen=True, kw_only=True):
    """The servers of one profile or image."""

    name: str | None
    """What the user chose; null: unknown, also if they had no choice."""
    sessions: Count
    """Servers started."""
    users: Count | None
    """Distinct users with such a server; null: not known for the whole range."""
    server_hours: Hours
    active_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] | None
    """The share of the observed running time in which the servers' users worked; null if no time
    was observed."""
    mean_minutes: Count | None
    """The mean length of the sessions that ended; null if none did."""
    running: Count
    """Servers that run now."""


class UseAnswer(DayRange, frozen=True, kw_only=True):
    """The profiles or images with the most server hours first; the first 500."""

    known_from: date | None
    """Earlier days of the range are not included, as their profiles and images are not known;
    null: all days are."""
    users_from: date | None
    """If ``users`` is null, the day from which on users are known."""
    rows: list[UseView]
    total: Count
    """The number of all profiles or images."""


class AgeClass(msgspec.Struct, frozen=True, kw_only=True):
    """Servers that have been running for this long."""

    from_hours: Count
    below_hours: Count | None
    """null: no upper bound."""
    servers: Count


class RunningView(msgspec.Struct, frozen=True, kw_only=True):
    """A server that has been running for 8 hours or more."""

    user: str
    server: str
    """Empty for the default server."""
    profile: str | None
    image: str | None
    started: Time
    """In a group not before the day on which the user joined."""
    last_activity: Time | None
    """null: before that day."""
    hours: Hours
    """How long it has been running."""


class AgesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How long the servers that run now have been running."""

    as_of: Time | None
    """The time of the last poll; null before the first one."""
    running: Count | None
    """The number of servers that run now; null before the first poll."""
    classes: list[AgeClass]
    long_running: list[RunningView]
    """A page of the servers that have run for 8 hours or more, the oldest first."""
    total: Count
    """The number of these servers on all pages."""
    page: Count
    pages: Count


class ExpectedView(msgspec.Struct, frozen=True, kw_only=True):
    """The forecast for a day."""

    day: date
    expected: float | None
    """The expected peak of concurrent servers; null, like ``upper``: fewer than two weeks were
    observed."""
    upper: Count | None
    actual: Count | None
    """The peak of that day; null: not over yet, or not completely observed."""
    weeks: Count
    """The number of observed days on which the forecast is based."""


class ForecastAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The peak of concurrent servers to expect on each day; the past days for comparison."""

    timezone: str
    """The time zone in which days begin and end."""
    rule: str
    """How the forecast is computed, in words."""
    days: list[ExpectedView]


class SpawnLengths(msgspec.Struct, frozen=True, kw_only=True):
    """Servers that took this long to start."""

    over_seconds: Hours
    up_to_seconds: Hours | None
    """null: no upper bound."""
    servers: Count


class SpawnsView(msgspec.Struct, frozen=True, kw_only=True):
    """Starts of servers in a day, week or month, by the Hub's own counters; null: unknown.

    All null: the counters could not be read, usually because the service lacks the scope
    read:metrics.
    """

    first: date
    last: date
    complete: bool
    """Whether the period is over and the counters are known for at least 90 % of it; otherwise the
    counts are lower bounds."""
    starts: Count | None
    failures: Count | None
    failure_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] | None
    """The share of the attempts that failed; also null without attempts."""
    refused: Count | None
    """Attempts that the Hub did not begin, as too many servers were starting or running."""
    mean_seconds: Hours | None
    """null, like the percentiles, if no server started."""
    median_seconds: Hours | None
    """An upper bound, like the other percentiles: the Hub counts in bins. null: no upper bound."""
    p90_seconds: Hours | None
    p99_seconds: Hours | None


class SpawnsAnswer(DayRange, frozen=True, kw_only=True):
    """Starts of servers in the whole range, and in its periods. Of the whole hub only."""

    total: SpawnsView | None
    lengths: list[SpawnLengths]
    """How long the servers of the whole range took to start; empty if that is unknown."""
    periods: list[SpawnsView]
