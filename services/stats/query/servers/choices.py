"""Servers by the profile or the image that their users chose. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from services.stats.query.figures import Column, Draw, Figure, Kind
from services.stats.records import UNKNOWN, ProfileDay

MOST_SHOWN = 20
"""Rows on the page; the others are in the CSV file. Users may send any text as a profile."""

NAME_OF_UNKNOWN = "(unknown)"

Choice = tuple[int, int]
"""The numbers of a profile and of an image, or UNKNOWN."""


class Dimension(StrEnum):
    """What servers are grouped by."""

    PROFILE = "profile"
    IMAGE = "image"


@dataclass(frozen=True)
class ServerUse:
    """What is recorded about the servers of an audience in a range of days."""

    days: Sequence[ProfileDay] = ()
    """The rows of the days, or their sums."""
    users: Mapping[Choice, frozenset[int]] | None = None
    """The users by what they chose; None if the range begins before ``users_from``."""
    running: Mapping[Choice, int] = field(default_factory=dict)
    profiles: Mapping[int, str] = field(default_factory=dict)
    images: Mapping[int, str] = field(default_factory=dict)
    known_from: date | None = None
    """If the range begins earlier, the day from which on profiles and images are known."""
    users_from: date | None = None
    """The same for users."""

    def names(self, dimension: Dimension) -> Mapping[int, str]:
        """The names of all profiles or images."""
        return self.profiles if dimension is Dimension.PROFILE else self.images


class Use(NamedTuple):
    """The servers of one profile or image."""

    name: str | None
    """None: unknown."""
    sessions: int
    users: int | None
    server_hours: float
    active_percent: float | None
    """The share of the observed running time in which the servers' users worked; None if no time
    was observed."""
    mean_minutes: int | None
    """The mean length of the sessions that ended; None if none did."""
    running: int
    """Servers that run now."""


def by(dimension: Dimension, use: ServerUse) -> list[Use]:
    """A row for each profile or image with servers, those with the most server hours first."""
    part = 0 if dimension is Dimension.PROFILE else 1
    names = use.names(dimension)
    days: dict[int, list[ProfileDay]] = {}
    for row in use.days:
        days.setdefault(row.profile_id if part == 0 else row.image_id, []).append(row)
    running = _sums((choice[part], number) for choice, number in use.running.items())
    users: dict[int, set[int]] = {}
    for choice, some in (use.users or {}).items():
        users.setdefault(choice[part], set()).update(some)
    found = []
    for number in days.keys() | running.keys() | users.keys():
        count = len(users.get(number, ())) if use.users is not None else None
        of = days.get(number, [])
        found.append(_use(names.get(number), of, count, running.get(number, 0)))
    return sorted(found, key=lambda row: (-row.server_hours, row.name is None, row.name or ""))


def _sums(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    sums: dict[int, int] = {}
    for number, count in pairs:
        sums[number] = sums.get(number, 0) + count
    return sums


def _use(name: str | None, days: Sequence[ProfileDay], users: int | None, running: int) -> Use:
    def total(of: Callable[[ProfileDay], int]) -> int:
        return sum(map(of, days))

    observed, ended = total(attrgetter("observed_seconds")), total(attrgetter("ended"))
    active = total(attrgetter("active_seconds"))
    return Use(
        name=name,
        sessions=total(attrgetter("sessions")),
        users=users,
        server_hours=round(total(attrgetter("server_seconds")) / 3600, 2),
        active_percent=round(100 * active / observed, 1) if observed else None,
        mean_minutes=round(total(attrgetter("ended_seconds")) / ended / 60) if ended else None,
        running=running,
    )


COLUMNS = (
    Column("server_hours", "Server hours", Kind.HOURS, scale="y"),
    Column("sessions", "Sessions"),
    Column("users", "Users"),
    Column("active_percent", "Active", Kind.PERCENT),
    Column("mean_minutes", "Mean length", Kind.MINUTES),
    Column("running", "Running now"),
)
_NOTE = (
    "Server hours in the range. “Active” in the table is the share of the observed hours in which"
    " the server's user worked."
)
_UNKNOWN = {
    Dimension.PROFILE: "The profile is unknown if the user had none to choose from.",
    Dimension.IMAGE: (
        "The image is unknown if the user had none to choose from, or if the server started before"
        " images were recorded."
    ),
}


def figure(dimension: Dimension, use: ServerUse, *, most: int | None = None) -> Figure:
    """The table and chart by profile or image; at most that many rows."""
    rows = by(dimension, use)
    notes = [_NOTE]
    if any(row.name is None for row in rows):
        notes.append(_UNKNOWN[dimension])
    if use.known_from is not None:
        notes.append(f"Known from {use.known_from} on.")
    if use.users is None and use.users_from is not None:
        notes.append(f"Users are known from {use.users_from} on.")
    if most is not None and len(rows) > most:
        notes.append(f"The first {most} of {len(rows):,}; the CSV file has all.")
        rows = rows[:most]
    key, title = f"{dimension}s", f"By {dimension}"
    columns = (Column(dimension, dimension.capitalize(), Kind.TEXT), *COLUMNS)
    cells = [
        [
            NAME_OF_UNKNOWN if row.name is None else row.name,
            *(getattr(row, column.key) for column in COLUMNS),
        ]
        for row in rows
    ]
    return Figure(key, title, " ".join(notes), columns, cells, Draw.BARS if cells else None)


__all__ = ["UNKNOWN", "Dimension", "ServerUse", "Use", "by", "figure"]
