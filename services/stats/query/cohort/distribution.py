"""How active the users of a hub or a group are, compared with each other. Pure.

Weeks are calendar weeks. One that is not over, of which less than 90 % was observed, or that is
only in part in the range is left out. Users who joined later count from the week in which they
joined.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from services.stats.query.figures import Column, Draw, Figure, Kind
from services.stats.query.glance.units import counted, duration


class Share(NamedTuple):
    """What one user did."""

    name: str
    weeks: int
    """The number of complete weeks in which they were there."""
    active_seconds: int
    """In these weeks."""
    days_active: int
    """Of all days of the range."""
    last_seen: date | None
    """Their last day at the Hub up to the end of the range, whether or not they worked."""

    @property
    def minutes_per_week(self) -> float | None:
        """Mean active minutes per week; None without a complete week."""
        return self.active_seconds / 60 / self.weeks if self.weeks else None


@dataclass(frozen=True)
class Distribution:
    """The users who were there on the last day of the range, by name."""

    first: date
    last: date
    weeks: int = 0
    """The complete weeks."""
    left_out: int = 0
    """The other weeks of the range."""
    unobserved: int = 0
    """The days of the range before its last one on which nothing was observed."""
    today: bool = True
    """Whether the last day is the last one with records."""
    users: Sequence[Share] = ()


class Bin(NamedTuple):
    """A bar of a histogram: from ``start`` to below ``end``, None: without an upper bound."""

    label: str
    start: float | None
    """None: they have no value, as they were never seen."""
    end: float | None
    users: Sequence[Share]


@dataclass(frozen=True)
class Histogram:
    """The users by one of their values."""

    key: str
    title: str
    note: str
    bins: Sequence[Bin]
    sentences: Sequence[str] = ()
    """The most important in words."""

    def figure(self) -> Figure:
        """As a table of numbers that is also drawn."""
        total = sum(len(one.users) for one in self.bins)
        columns = (
            Column("range", "Range", Kind.TEXT),
            Column("users", "Users", scale="y"),
            Column("percent", "Share", Kind.PERCENT),
        )
        rows = [
            [
                one.label,
                len(one.users),
                round(100 * len(one.users) / total, 1) if total else None,
            ]
            for one in self.bins
        ]
        return Figure(self.key, self.title, self.note, columns, rows, Draw.BARS)


FEW = 4
"""Quartiles are stated only for at least this many users."""

MINUTES = (0, 15, 30, 60, 120, 240, 480)
"""Where the bins of minutes per week begin; zero has its own, before the first of these."""
DAYS = (0, 1, 2, 3, 5, 10, 20, 50, 100)
DAYS_AGO = (0, 1, 7, 14, 28, 91)
_AGO = (
    *("today", "1 to 6 days ago", "1 to 2 weeks ago", "2 to 4 weeks ago", "4 to 13 weeks ago"),
    "more than 13 weeks ago",
)


def effort(found: Distribution) -> Histogram:
    """Active time per week; users without a complete week are left out."""
    users = [user for user in found.users if user.minutes_per_week is not None]
    nothing = [user for user in users if not user.active_seconds]
    bins = [Bin("none", 0, 0, nothing)]
    ends = (*MINUTES[1:], None)
    for start, end in zip(MINUTES, ends, strict=True):
        inside = [
            user
            for user in users
            if user.active_seconds and _within(user.minutes_per_week or 0, start, end)
        ]
        bins.append(Bin(_minutes_label(start, end), start, end, inside))
    note = (
        f"The mean over {counted(found.weeks, 'complete week')}, of each user from the week in"
        " which they joined."
    )
    if found.left_out:
        verb = "is" if found.left_out == 1 else "are"
        note += (
            f" {counted(found.left_out, 'week')} {verb} left out: not over, only partly in the"
            " range, or less than 90 % observed."
        )
    if len(users) < len(found.users):
        missing = len(found.users) - len(users)
        note += f" {counted(missing, 'user')} joined after the last complete week."
    if not users:
        bins = []
    return Histogram("effort", "Active time per week", note, bins, _in_words(found, users))


class Quartiles(NamedTuple):
    """Active minutes per week, each of them that of a user.

    At least a quarter of the users worked no more than ``lower``, half of them no less than
    ``median``, and a quarter no less than ``upper``.
    """

    lower: float
    median: float
    upper: float


def quartiles_of(found: Distribution) -> Quartiles | None:
    """None if there is no complete week, or nobody."""
    values = sorted(
        minutes for user in found.users if (minutes := user.minutes_per_week) is not None
    )
    if not values:
        return None
    half, quarter = math.ceil(len(values) / 2), math.ceil(len(values) / 4)
    return Quartiles(values[quarter - 1], values[-half], values[-quarter])


def _in_words(found: Distribution, users: Sequence[Share]) -> list[str]:
    quartiles, number = quartiles_of(found), len(users)
    if quartiles is None:
        return []
    if number == 1:
        return [f"The one user worked {duration(quartiles.median)} a week."]
    said = []
    if quartiles.median:
        least = _at_least(quartiles.median)
        said.append(f"Half of the {number:,} users worked at least {least} a week.")
    if number >= FEW and quartiles.upper:
        said.append(f"A quarter worked at least {_at_least(quartiles.upper)} a week.")
    if number >= FEW and quartiles.lower:
        said.append(f"A quarter worked at most {_at_most(quartiles.lower)} a week.")
    if idle := sum(not user.active_seconds for user in users):
        said.append(f"{idle:,} of the {number:,} users did not work in these weeks.")
    return said


def _at_least(minutes: float) -> str:
    """Rounded down, so that what is said holds."""
    return duration(minutes // 60 * 60 if minutes >= 600 else math.floor(minutes))


def _at_most(minutes: float) -> str:
    return duration(math.ceil(minutes / 60) * 60 if minutes >= 600 else math.ceil(minutes))


def _minutes_label(start: int, end: int | None) -> str:
    if end is None:
        return f"{duration(start)} or more"
    if not start:
        return f"under {duration(end)}"
    same = (start < 60) is (end < 60)
    first = duration(start).partition(" ")[0] if same else duration(start)
    return f"{first} to {duration(end)}"


def days_active(found: Distribution) -> Histogram:
    """Days on which the users worked."""
    length = (found.last - found.first).days + 1
    starts = [start for start in DAYS if start <= length]
    bins = []
    for start, end in zip(starts, (*starts[1:], None), strict=True):
        last = min(length, end - 1) if end else length
        label = f"{start}" if last == start else f"{start} to {last}"
        label += " day" if label == "1" else " days"
        inside = [user for user in found.users if _within(user.days_active, start, end)]
        bins.append(Bin(label, start, end, inside))
    note = f"Days on which the users worked, of {counted(length, 'day')}."
    if found.unobserved:
        note += (
            f" Nothing was observed on {counted(found.unobserved, 'day')}, so users may have worked"
            " on more."
        )
    return Histogram("activedays", "Days active", note, bins if found.users else [])


def last_seen(found: Distribution) -> Histogram:
    """How long ago the users were at the Hub, as of the last day of the range."""

    def ago(user: Share) -> int | None:
        return None if user.last_seen is None else (found.last - user.last_seen).days

    bins = []
    labels: Sequence[str] = _AGO
    if not found.today:
        labels = ("on that day", *(label.replace("ago", "before") for label in _AGO[1:]))
    for label, start, end in zip(labels, DAYS_AGO, (*DAYS_AGO[1:], None), strict=True):
        inside = [user for user in found.users if _within(ago(user), start, end)]
        bins.append(Bin(label, start, end, inside))
    never = [user for user in found.users if user.last_seen is None]
    bins.append(Bin("never", None, None, never))
    note = f"The last day on which the users were at the Hub, as of {found.last}."
    return Histogram("lastseen", "Last seen", note, bins if found.users else [])


HISTOGRAMS: dict[str, Callable[[Distribution], Histogram]] = {
    "effort": effort,
    "activedays": days_active,
    "lastseen": last_seen,
}
"""By the name of the CSV file."""


def people(found: Distribution) -> Figure:
    """A row for each user with their values and the bins that these are in, for CSV."""
    labels = [
        {user: one.label for one in histogram(found).bins for user in one.users}
        for histogram in HISTOGRAMS.values()
    ]
    columns = (
        Column("name", "User", Kind.TEXT),
        Column("weeks", "Complete weeks"),
        Column("minutes_per_week", "Active time per week", Kind.MINUTES),
        Column("minutes_per_week_range", "", Kind.TEXT),
        Column("days_active", "Days active"),
        Column("days_active_range", "", Kind.TEXT),
        Column("last_seen", "Last seen", Kind.DAY),
        Column("last_seen_range", "", Kind.TEXT),
    )
    rows = []
    for user in found.users:
        minutes = user.minutes_per_week
        by_effort, by_days, by_seen = (label.get(user) for label in labels)
        rows.append(
            [
                user.name,
                user.weeks,
                None if minutes is None else round(minutes, 1),
                by_effort,
                user.days_active,
                by_days,
                user.last_seen,
                by_seen,
            ]
        )
    return Figure("distribution", "Distribution", "", columns, rows)


def _within(value: float | None, start: float, end: float | None) -> bool:
    return value is not None and start <= value and (end is None or value < end)
