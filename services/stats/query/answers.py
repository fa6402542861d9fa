"""What the questions to the database are answered with."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from services.stats.intervals import Interval
from services.stats.records import Person, Session


class Span(NamedTuple):
    """From when to when there is anything."""

    first_day: date
    last_day: date
    last_poll: datetime
    raw_from: date
    """Days before have no raw records any more: no timelines, no exact times."""


class GroupRow(NamedTuple):
    """A group that can be chosen."""

    name: str
    members: int


class PersonRow(NamedTuple):
    """One line of the table of users. Sums are over the days asked for."""

    name: str
    deleted: bool
    active_seconds: int
    idle_seconds: int
    sessions: int
    days_active: int
    last_active: date | None
    """The last day with activity among those asked for."""


@dataclass(frozen=True)
class Timeline:
    """One person's sessions and work, and when nobody was looking."""

    person: Person | None
    sessions: list[Session] = field(default_factory=list)
    profiles: dict[int, str] = field(default_factory=dict)
    work: list[Interval] = field(default_factory=list)
    gaps: list[Interval] = field(default_factory=list)
