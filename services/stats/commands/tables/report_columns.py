"""The columns of a report's tables, and what its legend says about them. Pure."""

from typing import NamedTuple

from services.stats.query.figures import Kind


class Column(NamedTuple):
    """A column of a table. CSV and JSON have every field of a row, under its own name."""

    title: str
    field: str
    kind: Kind = Kind.NUMBER
    meaning: str = ""
    """What the legend says about it."""
    rank: int = 0
    """How useful it is, from 1. A table has as many as fit; 0: only with ``--wide``."""
    by_day: bool = True
    """Whether it tells something about a single day that no other column does."""


def _hours(title: str, field: str, meaning: str, rank: int = 0) -> Column:
    return Column(title, field, Kind.HOURS, meaning, rank)


def _minutes(title: str, field: str, meaning: str, rank: int = 0) -> Column:
    return Column(title, field, Kind.MINUTES, meaning, rank)


def _count(title: str, field: str, meaning: str, rank: int = 0, *, by_day: bool = True) -> Column:
    return Column(title, field, Kind.NUMBER, meaning, rank, by_day)


SUMMARY_COLUMNS = (
    Column("seen", "observed_percent", Kind.PERCENT, "share of the time that was observed", 1),
    _count("active", "active_users", "distinct users who worked in a server", 2),
    _count("daily", "daily_active", "active users per day, on average", 8, by_day=False),
    _count("weekly", "weekly_active", "active users of the last 7 days of the period"),
    _count("monthly", "monthly_active", "active users of its last 30 days"),
    _count("d/m", "daily_by_monthly", "daily divided by monthly"),
    _count("new", "newcomers", "accounts created", 7),
    _count("sessions", "sessions", "servers started and seen by polls", 3),
    _count("starts", "starts", "servers started, however briefly, by the Hub's own count", 12),
    _minutes("median", "median_minutes", "half of the sessions that ended were no longer", 9),
    _minutes("p90", "p90_minutes", "90 % of them were no longer"),
    _minutes("p99", "p99_minutes", "99 % of them were no longer"),
    _hours("work", "active_hours", "time in which users worked", 4),
    _hours(
        "idle",
        "idle_hours",
        "observed time in which users had a running server and did not work",
        10,
    ),
    _hours(
        "unseen",
        "unobserved_hours",
        "time in which users had a running server and nothing was observed",
    ),
    _hours("running", "server_hours", "running time of all servers together", 5),
    _count("mean", "mean_servers", "servers running at the same time, on average"),
    _count("peak", "peak_servers", "most servers running at the same time", 6),
    Column("peak at", "peak_at", Kind.TIME, "when that was"),
    _hours(
        "after",
        "after_hours",
        "how long stopped servers had run on after their last activity",
    ),
    _hours(
        "saved",
        "saved_hours",
        "an estimate: how much longer servers that stopped while idle (or that the culler stopped,"
        " if its audit log is read) would have run until their next use, at most 24 h each",
        11,
    ),
)
"""The columns of the report by period, after its days, in the order of the wide table."""

PERSON_COLUMNS = (
    Column("user", "name", Kind.TEXT),
    Column("last active", "last_active", Kind.DAY),
    Column("last present", "last_present", Kind.DAY),
    Column("days active", "days_active"),
)
"""The columns of the list of inactive users."""
