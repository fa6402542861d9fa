"""Arithmetic of time intervals. An interval is half open: it holds its start, not its end."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Interval(NamedTuple):
    """From ``start`` to ``end``; of no length where both are the same moment."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time, sorted, with whatever overlaps or touches made one."""
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
    """The parts that lie in the window; a moment without length stays if it is inside."""
    parts = []
    for start, end in intervals:
        if start >= window.end or end < window.start or (end == window.start and start != end):
            continue
        parts.append(Interval(max(start, window.start), min(end, window.end)))
    return parts


def total_seconds(intervals: Iterable[Interval]) -> float:
    """The sum of the lengths; of a union, never more than the wall time it spans."""
    return sum((end - start).total_seconds() for start, end in intervals)


def overlap_seconds(left: Sequence[Interval], right: Sequence[Interval]) -> float:
    """How long both hold. Both must be unions (sorted, not overlapping)."""
    seconds = 0.0
    i = j = 0
    while i < len(left) and j < len(right):
        start = max(left[i].start, right[j].start)
        end = min(left[i].end, right[j].end)
        if end > start:
            seconds += (end - start).total_seconds()
        if left[i].end <= right[j].end:
            i += 1
        else:
            j += 1
    return seconds


def add_to(
    known: Sequence[Interval], piece: Interval, longest: timedelta
) -> tuple[list[Interval], list[Interval], list[Interval]]:
    """Put a piece among intervals that do not overlap; none of the result is over ``longest``.

    Returns the whole new list, what was added and what went (a prolonged interval is both:
    its start goes and comes again with another end). Rows that did not change are in neither.
    """
    touched = [i for i in known if i.start <= piece.end and i.end >= piece.start]
    if any(i.start <= piece.start and piece.end <= i.end for i in touched):
        return list(known), [], []
    start = min([piece.start, *(i.start for i in touched)])
    end = max([piece.end, *(i.end for i in touched)])
    rest = [i for i in known if i not in touched]
    made = _cut(start, end, longest)
    gone = [i for i in touched if i not in made]
    added = [i for i in made if i not in touched]
    return sorted([*rest, *made]), added, gone


def _cut(start: datetime, end: datetime, longest: timedelta) -> list[Interval]:
    parts = []
    while end - start > longest:
        parts.append(Interval(start, start + longest))
        start += longest
    parts.append(Interval(start, end))
    return parts
