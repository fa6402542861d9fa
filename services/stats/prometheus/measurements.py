"""What users' servers used on each day: read in slices, and summed up slice by slice."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.stats.days import midnight
from services.stats.prometheus.client import PrometheusClient, PrometheusUnavailable, Series
from services.stats.prometheus.presets import USER, Expressions, Kind
from services.stats.query.resources.names import ServerName
from services.stats.query.resources.usage import DailyUse, Measured, by_day

STEPS = (300, 900, 1800, 3600)
"""Seconds between samples, from the finest."""

MOST_SAMPLES = 400_000
"""Samples of each kind in one answer, by which the step is chosen."""

MOST_DAYS = {300: 35, 900: 100, 1800: 200}
"""Longer ranges need a coarser step."""

MOST_POINTS = 1000
"""Samples of a series in one query. Prometheus allows 11,000."""

SLICE_SAMPLES = 100_000
"""Samples of all servers in one query, by which ranges are divided: they need memory."""

MOST_SECONDS = 60.0
"""For all queries of one answer."""

KEPT_SECONDS = 60.0
"""How long an answer is reused: a page, its CSV files and the next group need the same one."""

MOST_KEPT = 20_000
"""Days of servers in the answers that are kept besides the latest."""


@dataclass(frozen=True)
class Answer:
    """The use of each server and day, sampled every ``step`` seconds."""

    daily: DailyUse
    step: int
    kinds: frozenset[Kind]
    """What the queries measure; not all is if the preset has no expression for it."""
    duplicates: int = 0
    """Servers whose name appeared in several time series at once: their user is not certain."""


@dataclass(frozen=True)
class Sampling:
    """How often to sample, and how many days to query at a time."""

    step: int
    """In seconds."""
    days: int


@dataclass(frozen=True)
class _Slice:
    start: int
    end: int


_Key = tuple[date, date, datetime, Sampling, str]


class Measurements:
    """Reads from a Prometheus; one answer at a time."""

    def __init__(self, client: PrometheusClient, expressions: Expressions) -> None:
        self.expressions = expressions
        self._client = client
        self._lock = asyncio.Lock()
        self._kept: dict[_Key, tuple[float, Answer]] = {}

    async def read(
        self, first: date, last: date, until: datetime, zone: ZoneInfo, sampling: Sampling
    ) -> Answer:
        """The days from ``first`` to ``last``, but nothing after ``until``.

        Raises PrometheusUnavailable: no number is known then, not even of a part.
        """
        key = (first, last, until, sampling, zone.key)
        try:
            # Waiting for other viewers' answers counts, so that no page waits for ever.
            async with asyncio.timeout(MOST_SECONDS), self._lock:
                now = time.monotonic()
                self._kept = {k: v for k, v in self._kept.items() if now - v[0] < KEPT_SECONDS}
                if key not in self._kept:
                    answer = await self._read(first, last, until, zone, sampling)
                    while sum(len(kept.daily) for _, kept in self._kept.values()) > MOST_KEPT:
                        del self._kept[next(iter(self._kept))]
                    self._kept[key] = (time.monotonic(), answer)
                return self._kept[key][1]
        except TimeoutError:
            raise PrometheusUnavailable(
                f"Prometheus needed more than {MOST_SECONDS:g} s; choose fewer days"
            ) from None

    async def _read(
        self, first: date, last: date, until: datetime, zone: ZoneInfo, sampling: Sampling
    ) -> Answer:
        daily: DailyUse = {}
        doubled: set[str] = set()
        step = sampling.step
        for part in _slices(first, last, until, zone, sampling):
            samples = await self._samples(part, step, doubled)
            for key, use in (await asyncio.to_thread(by_day, samples, step, zone)).items():
                if key in daily:
                    daily[key].add(use)
                else:
                    daily[key] = use
        kinds = frozenset(self.expressions.kinds)
        return Answer(daily, step, kinds, len(doubled))

    async def _samples(self, part: _Slice, step: int, doubled: set[str]) -> Measured:
        found: dict[Kind, Mapping[ServerName, Mapping[int, float]]] = {kind: {} for kind in Kind}
        # One after the other: a page must not keep a Prometheus from its alerts.
        for kind in self.expressions.kinds:
            series = await self._client.query_range(
                self.expressions.of(kind, step), part.start, part.end, step
            )
            found[kind] = await asyncio.to_thread(
                _by_name, series, self.expressions.name_label, doubled
            )
        return Measured(**{kind.value: samples for kind, samples in found.items()})


def choose_sampling(first: date, last: date, server_seconds: float) -> Sampling:
    """Sample as often, and query as many days at a time, as the number of samples permits."""
    days = (last - first).days + 1
    step = next(
        (
            step
            for step in STEPS[:-1]
            if days <= MOST_DAYS[step] and server_seconds / step <= MOST_SAMPLES
        ),
        STEPS[-1],
    )
    daily = server_seconds / days / step
    most = min(MOST_POINTS * step / 86400, SLICE_SAMPLES / max(daily, 1))
    return Sampling(step, max(1, int(most)))


def _slices(
    first: date, last: date, until: datetime, zone: ZoneInfo, sampling: Sampling
) -> list[_Slice]:
    """Whole days each. The first sample is one step after midnight: it stands for that step."""
    limit = math.floor(until.timestamp())
    found = []
    day = first
    while day <= last:
        following = min(day + timedelta(days=sampling.days), last + timedelta(days=1))
        start = int(midnight(day, zone).timestamp()) + sampling.step
        end = min(int(midnight(following, zone).timestamp()), limit)
        if start <= end:
            found.append(_Slice(start, end))
        day = following
    return found


def _by_name(
    series: list[Series], label: str, doubled: set[str]
) -> dict[ServerName, dict[int, float]]:
    """The samples by server. A name in several series is none: it is not certain whose it is."""
    names = [ServerName(one.metric.get(label, ""), one.metric.get(USER, "")) for one in series]
    counted = Counter(names)
    found = {}
    for name, one in zip(names, series, strict=True):
        if counted[name] > 1:
            doubled.add(name.name)
            # No name of a server contains a space.
            name = ServerName(f"{name.name} {sorted(one.metric.items())}")
        found[name] = {round(moment): _number(value) for moment, value in one.values}
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
