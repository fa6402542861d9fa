"""Invented spawns."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from math import inf

from services.stats.commands.semester import Semester, semester_changes
from services.stats.records import Changes

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def test_spawns_match_the_sessions() -> None:
    """The Hub counts each session's start in its hour, and some that no poll saw; it adds up."""
    total = Changes()
    for changes in semester_changes(Semester(MONDAY, days=14, with_spawns=True)):
        total.update(changes)
    starts = Counter(
        session.started.replace(minute=0, second=0) for session in total.sessions.values()
    )
    spawned: Counter[datetime] = Counter()
    failed = 0
    for row in total.spawns.values():
        assert row.until - row.since == timedelta(hours=1)
        assert sum(row.lengths.values()) == row.number
        assert row.seconds > 0
        assert inf not in row.lengths
        if row.outcome == "success":
            spawned[row.since] += row.number
        else:
            failed += row.number
    assert spawned.keys() == starts.keys()
    assert spawned >= starts
    assert spawned.total() > starts.total()
    assert failed
    (counters,) = total.spawn_counters.values()
    assert (counters.since, counters.until) == (MONDAY, max(total.polls))
    assert counters.totals["success"][0] == spawned.total()
    assert counters.totals["failure"][0] == failed


def test_benchmarks_have_none() -> None:
    """A semester has no spawns unless they are wanted."""
    assert all(not changes.spawns for changes in semester_changes(Semester(MONDAY, days=2)))
