"""What the scripted graders changed, how it ended, and how long each request took."""

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """What the grader knows about a change.

    SENT: no response yet. ACKNOWLEDGED: the page shows it as saved. REPORTED: the page says that
    it was not saved.
    """

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REPORTED = "reported as not saved"


@dataclass
class Change:
    """One new value of a score or a comment.

    ``path`` is nbgrader's, such as ``grade/ID``. ``unclear`` counts the attempts that ended without
    a response, ``refused`` those with a response that says that nothing was saved. ``text``: the
    last response, if the change is reported as not saved.
    """

    path: str
    value: int
    outcome: Outcome = Outcome.SENT
    unclear: int = 0
    refused: int = 0
    status: int | None = None
    text: str = ""

    def tried(self, *, not_saved: bool) -> None:
        """Count an attempt that did not succeed."""
        self.refused += not_saved
        self.unclear += not not_saved


@dataclass(frozen=True)
class Timing:
    """A request that was answered as expected. ``at`` is the clock's time at its start."""

    kind: str
    at: float
    seconds: float


@dataclass
class Journal:
    """Shared by all graders of a run. Each value is used once."""

    changes: list[Change] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    #: Times at which something was killed or restarted: from, until.
    windows: list[tuple[float, float]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    _values: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def change(self, path: str) -> Change:
        """A change that is about to be sent."""
        made = Change(path, next(self._values))
        self.changes.append(made)
        return made

    def took(self, kind: str, started: float) -> None:
        """Record a request that began at ``started`` and has just been answered."""
        self.timings.append(Timing(kind, started, time.monotonic() - started))

    def count(self, outcome: Outcome) -> int:
        return sum(change.outcome is outcome for change in self.changes)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Something is killed or restarted in this block."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.windows.append((began, time.monotonic()))

    def outside(self) -> list[Timing]:
        """The requests that did not overlap with an outage."""
        return [one for one in self.timings if not _overlaps(one, self.windows)]

    def reported(self) -> list[str]:
        """What the page said about each change that was not saved."""
        return [
            f"{change.path}: {change.status} {change.text}"
            for change in self.changes
            if change.outcome is Outcome.REPORTED
        ]

    def summary(self) -> str:
        """The outcomes in one line."""
        counts = Counter(change.outcome for change in self.changes)
        retried = sum(change.unclear + change.refused > 0 for change in self.changes)
        parts = [f"{counts[one]:,} {one}" for one in Outcome if counts[one]]
        return f"{len(self.changes):,} changes: {', '.join(parts)}; {retried} sent more than once"


def _overlaps(timing: Timing, windows: Iterable[tuple[float, float]]) -> bool:
    ends = timing.at + timing.seconds
    return any(timing.at <= until and ends >= since for since, until in windows)


@dataclass(frozen=True)
class Spread:
    """Seconds of a kind of request."""

    count: int
    median: float
    p95: float
    greatest: float

    @classmethod
    def of(cls, timings: Sequence[Timing]) -> "Spread":
        seconds = sorted(one.seconds for one in timings)
        p95 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.95))]
        return cls(len(seconds), statistics.median(seconds), p95, seconds[-1])

    def __str__(self) -> str:
        return (
            f"{self.count} requests, median {self.median:.3f} s, p95 {self.p95:.3f} s,"
            f" slowest {self.greatest:.3f} s"
        )


def spreads(timings: Iterable[Timing]) -> dict[str, Spread]:
    """The spread of each kind of request."""
    kinds: dict[str, list[Timing]] = {}
    for one in timings:
        kinds.setdefault(one.kind, []).append(one)
    return {kind: Spread.of(kinds[kind]) for kind in sorted(kinds)}
