"""The Hub's counters of spawns, from its page in Prometheus' text format.

Source: ``jupyterhub/metrics.py``. Up to version 5, the label ``status`` is the outcome. Since
version 6, ``status`` is success, failure (the spawn was refused) or error, and ``reason`` says
more; spawners and authenticators may set any reason. A server that exits while it starts is counted
with the reason "exited", and again as the error that follows.
"""

from datetime import UTC, datetime
from math import isfinite
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from services.stats.records import OUTCOMES

HISTOGRAM = "server_spawn_duration_seconds"
"""The name of the histogram after the prefix, which ``JUPYTERHUB_METRICS_PREFIX`` sets."""

COUNTED_AGAIN = "exited"
"""The reason of spawns that the Hub counts a second time with another reason."""

START = "process_start_time_seconds"

MOST = 2**31 - 1
"""The largest number and the longest time that are believed, and that a database can store."""

Totals = dict[str, tuple[int, float, dict[float, int]]]


class Reading(NamedTuple):
    """The Hub's counters at a moment."""

    hub_started: datetime | None
    """When its process was started, to the second. None: unknown."""
    totals: Totals
    """By outcome: see ``records.SpawnCounters``."""


class InvalidMetrics(ValueError):
    """The page cannot be used. The message says why, without any text of the page."""


def parse(page: bytes) -> Reading:
    """The counters on a page of metrics.

    :raises InvalidMetrics: it has no such histogram, or is not in Prometheus' format
    """
    names = (HISTOGRAM.encode(), START.encode())
    # The page of a large hub has thousands of lines; only these need the parser.
    lines = [line for line in page.splitlines() if any(name in line for name in names)]
    text = b"\n".join(lines).decode(errors="replace") + "\n"
    series: dict[tuple[str, str], _Series] = {}
    started = None
    try:
        for family in text_string_to_metric_families(text):
            for name, labels, value, *_ in family.samples:
                if name == START:
                    started = _moment(value)
                elif HISTOGRAM in name:
                    key = labels.get("status", ""), labels.get("reason", "")
                    one = series.setdefault(key, _Series())
                    one.add(name.rpartition(HISTOGRAM)[2], labels.get("le", ""), value)
    except (ValueError, IndexError, KeyError, OverflowError):
        raise InvalidMetrics("the page is not in Prometheus' text format") from None
    if not series:
        raise InvalidMetrics(f"the page has no metric ..._{HISTOGRAM}")
    totals: Totals = {}
    for (status, reason), one in series.items():
        if reason != COUNTED_AGAIN:
            _add(totals, _outcome(status, reason), one)
    return Reading(started, totals)


class _Series:
    """A histogram with one set of labels."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.up_to: dict[float, int] = {}

    def add(self, suffix: str, bound: str, value: float) -> None:
        """Raises ValueError if the value cannot be one of a histogram of durations."""
        if not 0 <= value <= MOST:  # NaN, too
            raise ValueError("impossible value")
        if suffix == "_count":
            self.count = int(value)
        elif suffix == "_sum":
            self.seconds = value
        elif suffix == "_bucket":
            self.up_to[float(bound)] = int(value)


def _add(totals: Totals, outcome: str, series: _Series) -> None:
    if not series.count:
        return
    count, seconds, lengths = totals.get(outcome, (0, 0.0, {}))
    lower = 0
    for bound in sorted(series.up_to):
        if more := series.up_to[bound] - lower:
            lengths[bound] = lengths.get(bound, 0) + more
        lower = series.up_to[bound]
    totals[outcome] = (count + series.count, round(seconds + series.seconds, 3), lengths)


def _outcome(status: str, reason: str) -> str:
    if status == "success":
        return status
    return next((one for one in (reason, status) if one in OUTCOMES), "failure")


def _moment(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(seconds), UTC) if isfinite(seconds) else None
    except (OverflowError, OSError, ValueError):
        return None
