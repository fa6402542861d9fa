"""A person's timeline: a lane a day, from midnight to midnight in the viewer's zone. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import bounds, days
from services.stats.intervals import Interval, overlap_seconds, union, within
from services.stats.query.answers import Timeline
from services.stats.query.figures import Column, Figure, Kind

WIDTH = 960
"""How wide a day is drawn; 40 an hour."""

THINNEST = 2.0
"""What is shorter than can be seen is drawn this wide."""

MOST_EMPTY = 35
"""Of more days than that the lanes are left out on which there was nothing."""


class Bar(NamedTuple):
    """From where, and how wide."""

    x: float
    width: float


@dataclass(frozen=True)
class Lane:
    """One day."""

    day: date
    running: list[Bar]
    work: list[Bar]
    gaps: list[Bar]

    @property
    def empty(self) -> bool:
        """Whether nothing was seen, though somebody looked."""
        return not (self.running or self.work or self.gaps)


def lanes(timeline: Timeline, first: date, last: date, zone: ZoneInfo, now: datetime) -> list[Lane]:
    """The days, oldest first. now: until when a server that has not ended is drawn."""
    running = union(Interval(s.started, max(s.ended or now, s.started)) for s in timeline.sessions)
    drawn = [
        Lane(
            day,
            _bars(running, day, zone),
            _bars(timeline.work, day, zone),
            _bars(timeline.gaps, day, zone),
        )
        for day in days(first, last)
    ]
    return drawn if len(drawn) <= MOST_EMPTY else [lane for lane in drawn if not lane.empty]


def _bars(intervals: Iterable[Interval], day: date, zone: ZoneInfo) -> list[Bar]:
    whole = bounds(day, zone)
    scale = WIDTH / whole.seconds  # of 23 or 25 hours where clocks change
    bars = []
    for part in within(intervals, whole):
        width = max(part.seconds * scale, THINNEST)
        x = min((part.start - whole.start).total_seconds() * scale, WIDTH - width)
        bars.append(Bar(round(x, 1), round(width, 1)))
    return bars


COLUMNS = (
    Column("started", "Started", Kind.TIME),
    Column("ended", "Ended", Kind.TIME),
    Column("last_activity", "Last activity", Kind.TIME),
    Column("server", "Server", Kind.TEXT),
    Column("profile", "Profile", Kind.TEXT),
    Column("minutes", "Minutes"),
    Column("active_minutes", "Of them active"),
)


def sessions(timeline: Timeline, now: datetime) -> Figure:
    """The sessions as a table, the newest first; a server that runs has no end."""
    work = union(timeline.work)
    rows: list[Sequence[object]] = []
    for session in sorted(timeline.sessions, key=lambda s: s.started, reverse=True):
        whole = Interval(session.started, max(session.ended or now, session.started))
        rows.append(
            [
                session.started,
                session.ended,
                session.last_activity,
                session.server,
                timeline.profiles.get(session.profile_id or 0, ""),
                round(whole.seconds / 60),
                round(overlap_seconds([whole], work) / 60),
            ]
        )
    note = "Each run of a server. One without an end is running."
    return Figure("timeline", "Timeline", note, COLUMNS, rows)
