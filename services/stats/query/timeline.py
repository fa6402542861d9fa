"""One user's timeline: their sessions, and a row for each day, midnight to midnight. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.stats.days import bounds, days
from services.stats.intervals import Interval, near, overlap_seconds, union, within
from services.stats.query.figures import WEEKDAYS, Column, Figure, Kind
from services.stats.query.periods import observed_hours
from services.stats.records import GroupDay, Person, Session

WIDTH = 960
"""The width of a day in the drawing; 40 per hour."""

MIN_BAR_WIDTH = 2.0
"""Shorter intervals are drawn this wide, so that they are visible."""

MOST_EMPTY_DAYS = 35
"""In longer ranges, days on which nothing was recorded are left out."""


@dataclass(frozen=True)
class Timeline:
    """One user's sessions and activity, and the gaps in the observation."""

    person: Person | None
    sessions: list[Session] = field(default_factory=list)
    profiles: dict[int, str] = field(default_factory=dict)
    work: list[Interval] = field(default_factory=list)
    gaps: list[Interval] = field(default_factory=list)


class Bar(NamedTuple):
    """A bar of the drawing: its left edge and its width."""

    x: float
    width: float


@dataclass(frozen=True)
class TimelineDay:
    """One row of the drawing."""

    day: date
    running: list[Bar]
    work: list[Bar]
    gaps: list[Bar]

    @property
    def empty(self) -> bool:
        """Whether the day was observed but nothing happened."""
        return not (self.running or self.work or self.gaps)


def timeline_days(
    timeline: Timeline, first: date, last: date, zone: ZoneInfo, now: datetime
) -> list[TimelineDay]:
    """The days in the zone, oldest first. Running servers are drawn up to ``now``."""
    running = union(Interval(s.started, max(s.ended or now, s.started)) for s in timeline.sessions)
    work, gaps = union(timeline.work), union(timeline.gaps)
    rows = [
        TimelineDay(
            day,
            _bars(running, day, zone),
            _bars(work, day, zone),
            _bars(gaps, day, zone),
        )
        for day in days(first, last)
    ]
    return rows if len(rows) <= MOST_EMPTY_DAYS else [row for row in rows if not row.empty]


def _bars(intervals: Sequence[Interval], day: date, zone: ZoneInfo) -> list[Bar]:
    """``intervals`` must be a union."""
    window = bounds(day, zone)
    scale = WIDTH / window.seconds  # 23 or 25 hours when the clocks change
    bars = []
    for part in within(near(intervals, window), window):
        width = max(part.seconds * scale, MIN_BAR_WIDTH)
        x = min((part.start - window.start).total_seconds() * scale, WIDTH - width)
        bars.append(Bar(round(x, 1), round(width, 1)))
    return bars


COLUMNS = (
    Column("started", "Started", Kind.TIME),
    Column("ended", "Ended", Kind.TIME),
    Column("last_activity", "Last activity", Kind.TIME),
    Column("server", "Server", Kind.TEXT),
    Column("profile", "Profile", Kind.TEXT),
    Column("minutes", "Length", Kind.MINUTES),
    Column("active_minutes", "Active", Kind.MINUTES),
)


def sessions(timeline: Timeline, now: datetime) -> Figure:
    """The sessions as a table, newest first. A running server has no end."""
    work = union(timeline.work)
    rows: list[Sequence[object]] = []
    for session in sorted(timeline.sessions, key=lambda s: s.started, reverse=True):
        run = Interval(session.started, max(session.ended or now, session.started))
        rows.append(
            [
                session.started,
                session.ended,
                session.last_activity,
                session.server,
                timeline.profiles.get(session.profile_id or 0, ""),
                round(run.seconds / 60),
                round(overlap_seconds([run], near(work, run)) / 60),
            ]
        )
    note = "The table has a row for each session. A session without an end is not over."
    return Figure("timeline", "Timeline", note, COLUMNS, rows)


def week(timeline: Timeline, rows: Sequence[GroupDay], zone: ZoneInfo) -> Figure:
    """The user's mean active minutes by weekday and hour of the local clock.

    ``rows`` are the user's days, which say which hours were observed; None for hours that never
    were, as on days whose raw records were pruned.
    """
    minutes = _minutes_by_hour(timeline.work, zone)
    sums = [[0.0] * 24 for _ in range(7)]
    observed = [[0] * 24 for _ in range(7)]
    for row in rows:
        weekday = row.day.weekday()
        # Without members: a day on which the user was not in the viewer's group.
        for hour in observed_hours(row) if row.members else ():
            observed[weekday][hour] += 1
            sums[weekday][hour] += minutes.get((row.day, hour), 0.0)
    table = [
        [
            WEEKDAYS[day],
            *(
                round(sums[day][hour] / observed[day][hour]) if observed[day][hour] else None
                for hour in range(24)
            ),
        ]
        for day in range(7)
    ]
    columns = (
        Column("weekday", "Day", Kind.TEXT),
        *(Column(f"{hour:02}", f"{hour:02}", Kind.MINUTES) for hour in range(24)),
    )
    note = "Mean active minutes by weekday and hour."
    return Figure("week", "Week by hour", note, columns, table)


def _minutes_by_hour(work: Iterable[Interval], zone: ZoneInfo) -> dict[tuple[date, int], float]:
    """By day and hour of the local clock. The hour that occurs twice in autumn has up to 120."""
    minutes: dict[tuple[date, int], float] = {}
    for start, end in union(work):
        moment = start
        while moment < end:
            local = moment.astimezone(zone)
            into = timedelta(minutes=local.minute, seconds=local.second)
            until = min(moment - into + timedelta(hours=1), end)
            key = (local.date(), local.hour)
            minutes[key] = minutes.get(key, 0.0) + (until - moment).total_seconds() / 60
            moment = until
    return minutes
