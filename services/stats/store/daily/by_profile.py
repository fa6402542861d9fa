"""Counts a day's servers by the profile and the image that their users chose. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from operator import add
from typing import NamedTuple

from services.stats.intervals import Interval, common, near, overlap_seconds, total_seconds
from services.stats.records import UNKNOWN, ProfileDay, Session

Choice = tuple[int, int]
"""The numbers of a profile and of an image, or UNKNOWN."""


class Counts(NamedTuple):
    """The servers of one choice. The fields are those of ``ProfileDay``."""

    sessions: int = 0
    server_seconds: int = 0
    observed_seconds: int = 0
    active_seconds: int = 0
    ended: int = 0
    ended_seconds: int = 0


def by_choice(
    sessions: Iterable[Session],
    active: Sequence[Interval],
    window: Interval,
    seen: Sequence[Interval],
    since: datetime | None = None,
) -> dict[Choice, Counts]:
    """One user's servers in the window. ``active``, when they worked, and ``seen`` are unions.

    ``since``: the lengths of servers that ended count from then on.
    """
    found: dict[Choice, Counts] = {}
    for session in sessions:
        if session.ended is not None and session.ended < window.start:
            continue
        counts = _count(session, active, window, seen)
        if since is not None and counts.ended and session.ended is not None:
            shown = session.ended - max(session.started, since)
            counts = counts._replace(ended_seconds=int(shown.total_seconds()))
        choice = (session.profile_id or UNKNOWN, session.image_id or UNKNOWN)
        if any(counts):
            found[choice] = _sum(found[choice], counts) if choice in found else counts
    return found


def _count(
    session: Session, active: Sequence[Interval], window: Interval, seen: Sequence[Interval]
) -> Counts:
    begin, end = window
    started, ended = session.started, session.ended
    run = Interval(max(started, begin), end if ended is None else min(ended, end))
    server_seconds = observed_seconds = active_seconds = 0
    if run.start < run.end:
        whole = len(seen) == 1 and seen[0].start <= run.start and run.end <= seen[0].end
        observed = [run] if whole else common([run], near(seen, run))
        server_seconds = int(run.seconds)
        observed_seconds = server_seconds if whole else int(total_seconds(observed))
        active_seconds = int(overlap_seconds(observed, active))
    ends = ended is not None and begin <= ended < end
    return Counts(
        int(begin <= started < end),
        server_seconds,
        observed_seconds,
        active_seconds,
        int(ends),
        int((ended - started).total_seconds()) if ended and ends else 0,
    )


def add_up(people: Iterable[Mapping[Choice, Counts]]) -> dict[Choice, Counts]:
    """The servers of several users."""
    total: dict[Choice, Counts] = {}
    for person in people:
        for choice, counts in person.items():
            total[choice] = _sum(total[choice], counts) if choice in total else counts
    return total


def rows(day: date, group_id: int, counted: Mapping[Choice, Counts]) -> list[ProfileDay]:
    """The rows of a day."""
    return [
        ProfileDay(day, group_id, *choice, *counts) for choice, counts in sorted(counted.items())
    ]


def _sum(left: Counts, right: Counts) -> Counts:
    return Counts(*map(add, left, right))
