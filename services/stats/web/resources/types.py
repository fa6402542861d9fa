"""The responses of the API about resources and cost. What was not measured is null."""

from typing import Annotated

import msgspec

from services.stats.web.api.types import Count, DayRange, Hours

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]


class UseView(msgspec.Struct, frozen=True, kw_only=True):
    """The memory and CPU of servers; GB are 2^30 bytes, hours are decimal. Null: not measured."""

    memory_gb_hours: Hours | None
    mean_memory_gb: Hours | None
    """Of one server, over the measured time."""
    peak_memory_gb: Hours | None
    """The most that one server used."""
    guaranteed_gb_hours: Hours | None
    unused_gb_hours: Hours | None
    """Guarantee minus use at each measurement, but at least zero."""
    cpu_hours: Hours | None
    guaranteed_cpu_hours: Hours | None
    unused_cpu_hours: Hours | None
    server_hours: Hours
    """How long servers ran, as the Hub reported it."""
    measured_percent: Percent | None
    """The share of the server hours that was measured: the sums are lower bounds below 100."""


class DayUseView(UseView, frozen=True, kw_only=True):
    """The use on one day."""

    day: str


class NamedUseView(UseView, frozen=True, kw_only=True):
    """The use of a user or the members of a group."""

    name: str


class Availability(DayRange, frozen=True, kw_only=True):
    """Whether the numbers are known."""

    available: bool
    reason: str | None
    """Why they are not known."""


class ResourcesAnswer(Availability, frozen=True, kw_only=True):
    """Memory and CPU of the hub's or the group's servers; without numbers if not available."""

    step_seconds: Count | None
    """Seconds between measurements."""
    guarantee_percent: Percent | None
    """The share of the measured time whose memory guarantee is known."""
    total: UseView | None
    """Each user counts once."""
    days: list[DayUseView]
    groups: list[NamedUseView]
    """A user in several groups counts in each."""
    users: list[NamedUseView]
    """A page of the users, by name."""
    other: UseView | None
    """Of servers whose user is not certain; not in the total."""
    not_counted: UseView | None
    """Of users who are not counted; not in the total."""
    total_users: Count
    page: Count
    pages: Count


class CostView(msgspec.Struct, frozen=True, kw_only=True):
    """An estimated cost and what it is calculated from. Null: not measured, or without a price."""

    name: str
    """The group; empty for all users together."""
    paid_gb_hours: Hours | None
    paid_cpu_hours: Hours | None
    cost: Hours | None
    measured_percent: Percent | None
    """The share of the server hours that was measured: the cost covers only that."""


class CostAnswer(Availability, frozen=True, kw_only=True):
    """The estimated cost by group, at the configured prices."""

    currency: str
    price_memory_gb_hour: Hours
    price_cpu_hour: Hours
    base: str
    """``larger``: the larger of guarantee and use is paid; ``guarantee``: the guarantee."""
    formula: str
    total: CostView | None
    """Each user counts once, so it can be less than the sum of the groups."""
    groups: list[CostView]
