"""Invented spawns."""

from datetime import UTC, datetime, timedelta
from math import inf

from services.stats.commands.semester import Semester, semester_changes
from services.stats.records import Changes

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def test_spawns_match_the_sessions() -> None:
    """Each session was spawned once, in the hour of its start, and the counters add up."""
    total = Changes()
    for changes in semester_changes(Semester(MONDAY, days=3, with_spawns=True)):
        total.update(changes)
    starts: dict[datetime, int] = {}
    for session in total.sessions.values():
        hour = session.started.replace(minute=0, second=0)
        starts[hour] = starts.get(hour, 0) + 1
    spawned: dict[datetime, int] = {}
    for row in total.spawns.values():
        assert row.until - row.since == timedelta(hours=1)
        assert sum(row.lengths.values()) == row.number
        assert row.seconds > 0
        assert inf not in row.lengths
        spawned[row.since] = spawned.get(row.since, 0) + row.number
    assert spawned == starts
    (counters,) = total.spawn_counters.values()
    assert (counters.since, counters.until) == (MONDAY, max(total.polls))
    assert sum(count for count, _, _ in counters.totals.values()) == len(total.sessions)


def test_benchmarks_have_none() -> None:
    """A semester has no spawns unless they are wanted."""
    assert all(not changes.spawns for changes in semester_changes(Semester(MONDAY, days=2)))
