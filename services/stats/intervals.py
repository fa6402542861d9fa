"""Arithmetic of time intervals. An interval is half-open: it includes its start, not its end."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Interval(NamedTuple):
    """From ``start`` to ``end``. If both are the same moment, its length is zero."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.end - self.start).total_seconds()


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time, sorted, with overlapping and adjacent intervals merged."""
    ordered = sorted(intervals)
    if len(ordered) < 2:
        return ordered
    merged: list[Interval] = []
    for interval in ordered:
        if merged and interval.start <= merged[-1].end:
            if interval.end > merged[-1].end:
                merged[-1] = Interval(merged[-1].start, interval.end)
        else:
            merged.append(interval)
    return merged


def within(intervals: Iterable[Interval], window: Interval) -> list[Interval]:
    """The parts inside the window. Intervals of zero length are included."""
    parts = []
    for start, end in intervals:
        if start >= window.end or end < window.start or (end == window.start and start != end):
            continue
        parts.append(Interval(max(start, window.start), min(end, window.end)))
    return parts


def total_seconds(intervals: Iterable[Interval]) -> float:
    """The sum of the lengths. For a union it never exceeds the wall-clock time."""
    return sum((end - start).total_seconds() for start, end in intervals)


def overlap_seconds(left: Sequence[Interval], right: Sequence[Interval]) -> float:
    """The length of the time common to both. Both must be unions (sorted, not overlapping)."""
    return total_seconds(common(left, right))


def common(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """The time common to both, which must be unions (sorted, not overlapping)."""
    parts = []
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i].start, right[j].start), min(left[i].end, right[j].end)
        if end > start:
            parts.append(Interval(start, end))
        if left[i].end <= right[j].end:
            i += 1
        else:
            j += 1
    return parts


def near(seen: Sequence[Interval], run: Interval) -> Sequence[Interval]:
    """The part of a union that can overlap with an interval: the rest need not be compared."""
    first = max(bisect_left(seen, run) - 1, 0)
    last = bisect_left(seen, Interval(run.end, run.end))
    return seen[first : last + 1]


def without(whole: Interval, holes: Iterable[Interval]) -> list[Interval]:
    """What is left of an interval without the holes, which must be a union."""
    parts = []
    start = whole.start
    for hole in holes:
        if hole.start > start:
            parts.append(Interval(start, min(hole.start, whole.end)))
        start = max(start, hole.end)
    if start < whole.end:
        parts.append(Interval(start, whole.end))
    return [part for part in parts if part.start < part.end]


def add_to(
    known: Sequence[Interval], piece: Interval, longest: timedelta
) -> tuple[list[Interval], list[Interval], list[Interval]]:
    """Add ``piece`` to intervals that do not overlap, and split what is longer than ``longest``.

    Returns the new list, the intervals that were added, and those that were removed. An
    interval that was extended is in both: removed with its old end, added with its new one.
    """
    touched = [i for i in known if i.start <= piece.end and i.end >= piece.start]
    if any(i.start <= piece.start and piece.end <= i.end for i in touched):
        return list(known), [], []
    start = min([piece.start, *(i.start for i in touched)])
    end = max([piece.end, *(i.end for i in touched)])
    rest = [i for i in known if i not in touched]
    made = _split(start, end, longest)
    removed = [i for i in touched if i not in made]
    added = [i for i in made if i not in touched]
    return sorted([*rest, *made]), added, removed


def _split(start: datetime, end: datetime, longest: timedelta) -> list[Interval]:
    parts = []
    while end - start > longest:
        parts.append(Interval(start, start + longest))
        start += longest
    parts.append(Interval(start, end))
    return parts
