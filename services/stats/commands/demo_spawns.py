"""Invented spawns, to go with an invented semester: as the Hub's metrics would count them. Pure."""

import random
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import inf

from services.stats.records import Changes, SpawnCounters, Spawns

BOUNDS = (0.5, 1, 2.5, 5, 10, 15, 30, 60, 120, 180, 300, 600, inf)
"""The bins of the Hub's histogram, in seconds.
Source: ``SERVER_SPAWN_DURATION_SECONDS`` in ``jupyterhub/metrics.py``."""

FAILURES = 0.02
"""Failed attempts for each start."""

UNSEEN = 0.01
"""Servers that ran only between two polls, for each one that a poll saw."""

HOUR = timedelta(hours=1)

Totals = dict[str, tuple[int, float, dict[float, int]]]


class InventedSpawns:
    """The spawns of a semester's sessions, one day at a time."""

    def __init__(self, start: datetime, seed: int) -> None:
        self._start = start
        self._random = random.Random(seed)  # noqa: S311 - nothing secret about it
        self._totals: Totals = {}

    def add(self, changes: Changes) -> None:
        """Add the spawns of the day's sessions, and the counters at its last poll."""
        if not changes.polls:
            return
        by_hour: dict[datetime, Totals] = {}
        for started in sorted(session.started for session in changes.sessions.values()):
            hour = started.replace(minute=0, second=0)
            for outcome, seconds in self._spawns():
                _count((self._totals, by_hour.setdefault(hour, {})), outcome, seconds)
        for hour, totals in by_hour.items():
            for outcome, found in totals.items():
                key = (hour, hour + HOUR, outcome)
                changes.spawns[key] = Spawns(*key, *found)
        changes.spawn_counters[self._start] = SpawnCounters(
            self._start, max(changes.polls), self._start - HOUR, _copy(self._totals)
        )

    def _spawns(self) -> Iterator[tuple[str, float]]:
        """The outcomes and durations in seconds of a session's start and what went with it.

        Every session that a poll saw started, so the Hub counts at least as many starts.
        """
        yield "success", self._seconds()
        if self._random.random() < UNSEEN:
            yield "success", self._seconds()
        if self._random.random() < FAILURES:
            yield "failure", self._seconds() + 60

    def _seconds(self) -> float:
        """Mostly a few seconds, sometimes a minute."""
        return round(self._random.lognormvariate(1.9, 0.6), 3)


def _count(into: Iterable[Totals], outcome: str, seconds: float) -> None:
    bound = BOUNDS[bisect_left(BOUNDS, seconds)]
    for totals in into:
        count, total, lengths = totals.get(outcome, (0, 0.0, {}))
        lengths[bound] = lengths.get(bound, 0) + 1
        totals[outcome] = (count + 1, round(total + seconds, 3), lengths)


def _copy(totals: Totals) -> Totals:
    return {outcome: (n, seconds, {**lengths}) for outcome, (n, seconds, lengths) in totals.items()}
