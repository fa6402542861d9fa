"""Arithmetic of time intervals."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.intervals import Interval, add_to, overlap_seconds, total_seconds, union, within

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

moments = st.integers(0, 2000).map(lambda n: START + timedelta(seconds=n))
intervals = st.tuples(moments, moments).map(lambda pair: Interval(*sorted(pair)))


def span(start: float, end: float) -> Interval:
    """From ``start`` to ``end``, in minutes."""
    return Interval(START + timedelta(minutes=start), START + timedelta(minutes=end))


def test_adjacent_intervals_are_merged() -> None:
    """Intervals that touch become one; those apart stay apart."""
    assert union([span(5, 9), span(0, 5), span(10, 12)]) == [span(0, 9), span(10, 12)]


@pytest.mark.parametrize(
    ("interval", "inside"),
    [
        pytest.param(span(0, 10), [], id="ends where the window starts"),
        pytest.param(span(10, 10), [span(10, 10)], id="zero length at its start"),
        pytest.param(span(20, 20), [], id="zero length at its end"),
        pytest.param(span(5, 25), [span(10, 20)], id="longer than the window"),
        pytest.param(span(20, 30), [], id="starts where the window ends"),
    ],
)
def test_the_window_is_half_open(interval: Interval, inside: list[Interval]) -> None:
    """A window includes its start and excludes its end."""
    assert within([interval], span(10, 20)) == inside


def test_an_extended_interval_is_removed_and_added() -> None:
    """The result has what to delete and what to write; unchanged intervals are in neither."""
    known = [span(0, 5), span(20, 25)]
    result, added, removed = add_to(known, span(5, 8), timedelta(hours=6))
    assert result == [span(0, 8), span(20, 25)]
    assert (added, removed) == ([span(0, 8)], [span(0, 5)])


def test_adding_what_is_covered_changes_nothing() -> None:
    """An interval inside a known one needs no write."""
    assert add_to([span(0, 5)], span(1, 4), timedelta(hours=6)) == ([span(0, 5)], [], [])


@given(st.lists(intervals))
def test_a_union_covers_the_same_time(parts: list[Interval]) -> None:
    """A union is sorted and disjoint, and contains every one of its parts."""
    merged = union(parts)
    assert all(a.end < b.start for a, b in pairwise(merged))
    assert union(merged) == merged
    for part in parts:
        assert any(whole.start <= part.start and part.end <= whole.end for whole in merged)
    assert total_seconds(merged) <= total_seconds(parts)


@given(st.lists(intervals), st.lists(intervals), intervals)
def test_overlap_is_symmetric_and_bounded(
    left: list[Interval], right: list[Interval], window: Interval
) -> None:
    """The overlap is symmetric and no longer than either union."""
    one, two = union(left), union(right)
    seconds = overlap_seconds(one, two)
    assert seconds == overlap_seconds(two, one)
    assert seconds <= min(total_seconds(one), total_seconds(two))
    assert total_seconds(within(one, window)) == overlap_seconds(one, [window])


@given(st.lists(intervals, max_size=30), st.integers(60, 900))
def test_adding_pieces_equals_their_union(pieces: list[Interval], longest: int) -> None:
    """Adding pieces one by one gives their union, split at the maximum length."""
    known: list[Interval] = []
    rows: dict[datetime, datetime] = {}
    for piece in pieces:
        known, added, gone = add_to(known, piece, timedelta(seconds=longest))
        for part in gone:
            assert rows.pop(part.start) == part.end
        for part in added:
            assert part.start not in rows
            rows[part.start] = part.end
    assert sorted(rows.items()) == known
    assert all(part.seconds <= longest for part in known)
    assert union(known) == union(pieces)
