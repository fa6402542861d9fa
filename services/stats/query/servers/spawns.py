"""How long servers took to start, and how many did not, as figures. Pure."""

from collections import Counter
from collections.abc import Sequence
from math import inf, isinf
from typing import NamedTuple

from services.stats.days import By
from services.stats.query.figures import Column, Draw, Figure, Kind
from services.stats.query.glance.facts import Fact
from services.stats.query.spawns import SpawnSummary, upper_bound

UNREADABLE = (
    "Unknown: the Hub counts starts, but its counters could not be read. Give the service the scope"
    " read:metrics in the Hub's configuration."
)
"""Shown if nothing is known of the whole range."""

_NOTE = (
    "Servers that started, and attempts that failed, as counted by the Hub, however"
    " short the session. Refused: too many servers were starting or running."
)


class LengthClass(NamedTuple):
    """Servers that started within these bounds, in seconds."""

    over: float
    up_to: float | None
    """None: no upper bound."""
    servers: int


def of_known_days(total: SpawnSummary, days: Sequence[SpawnSummary]) -> SpawnSummary:
    """The whole range or, if its counters were read on some of its days only, those days."""
    known = [day for day in days if day.starts is not None]
    if total.starts is not None or not known:
        return total
    counted: Counter[float] = Counter()
    for day in known:
        counted.update(day.lengths or {})
    return SpawnSummary(
        total.first,
        total.last,
        starts=sum(day.starts or 0 for day in known),
        failures=sum(day.failures or 0 for day in known),
        refused=sum(day.refused or 0 for day in known),
        median_seconds=upper_bound(counted, 0.5),
        p90_seconds=upper_bound(counted, 0.9),
        p99_seconds=upper_bound(counted, 0.99),
        lengths=counted,
    )


def which_days(days: Sequence[SpawnSummary]) -> str:
    """On how many of the days the counters were read, if not on all."""
    known = sum(day.starts is not None for day in days)
    return f"on {known:,} of {len(days):,} days" if 0 < known < len(days) else ""


def failure_percent(summary: SpawnSummary) -> float | None:
    """The share of the attempts that failed. Refused ones are none."""
    if summary.starts is None or summary.failures is None:
        return None
    attempts = summary.starts + summary.failures
    return round(100 * summary.failures / attempts, 1) if attempts else None


def classes(summary: SpawnSummary) -> list[LengthClass]:
    """The distribution of durations: the Hub's bins up to the last one with a server."""
    counted = summary.lengths or {}
    bounds = sorted(counted)
    while bounds and not counted[bounds[-1]]:
        bounds.pop()
    return [
        LengthClass(below, None if isinf(bound) else bound, counted[bound])
        for below, bound in zip([0.0, *bounds], bounds, strict=False)
    ]


def over_time(rows: Sequence[SpawnSummary], by: By) -> Figure:
    """Starts and failures in each period."""
    period = (
        (Column("first", "Day", Kind.DAY),)
        if by is By.DAY
        else (Column("first", "From", Kind.DAY), Column("last", "To", Kind.DAY))
    )
    columns = (
        *period,
        Column("starts", "Started", scale="y"),
        Column("failures", "Failed", scale="y"),
        Column("failure_percent", "Share failed", Kind.PERCENT),
        Column("refused", "Refused"),
        Column("median_seconds", "Half within", Kind.SECONDS),
        Column("p90_seconds", "9 of 10 within", Kind.SECONDS),
        Column("complete", "Complete", Kind.TEXT),
    )
    cells = [
        [
            *((row.first,) if by is By.DAY else (row.first, row.last)),
            row.starts,
            row.failures,
            failure_percent(row),
            row.refused,
            row.median_seconds,
            row.p90_seconds,
            "yes" if row.complete else "no",
        ]
        for row in rows
    ]
    incomplete = frozenset(
        number for number, row in enumerate(rows) if not row.complete and row.starts is not None
    )
    known = any(row.starts is not None for row in rows)
    note = _NOTE if known or not rows else UNREADABLE
    return Figure("spawns", "Starts of servers", note, columns, cells, Draw.LINES, incomplete)


def lengths(total: SpawnSummary, which: str = "") -> Figure:
    """The distribution of durations over the whole range, or over ``which`` days."""
    columns = (
        Column("seconds", "Time to start", Kind.TEXT),
        Column("servers", "Servers", scale="y"),
        Column("percent", "Share", Kind.PERCENT),
        Column("within_percent", "This long or less", Kind.PERCENT),
    )
    found = classes(total)
    number = sum(one.servers for one in found)
    cells: list[Sequence[object]] = []
    within = 0
    for one in found:
        within += one.servers
        cells.append(
            [
                _label(one),
                one.servers,
                round(100 * one.servers / number, 1),
                round(100 * within / number, 1),
            ]
        )
    draw = Draw.BARS if cells else None
    note = _sentence(total) + (f" Counted {which}." if which else "")
    return Figure("spawnlengths", "Time to start", note, columns, cells, draw)


def facts(total: SpawnSummary, which: str = "") -> list[Fact]:
    """The key numbers of the range, or of ``which`` days."""
    percent = failure_percent(total)
    failures = "" if percent is None else f"({percent}%)"
    return [
        Fact("Servers started", total.starts, note=which, unknown="not readable"),
        Fact(
            "Failed to start",
            total.failures,
            note=f"{failures} {which}".strip(),
            unknown="not readable",
        ),
    ]


def _sentence(total: SpawnSummary) -> str:
    if total.starts is None:
        return UNREADABLE
    if not total.starts:
        return "No server started."
    if total.p90_seconds is None:
        slowest = max((bound for bound in total.lengths or {} if not isinf(bound)), default=inf)
        return f"More than 1 of 10 servers took longer than {_seconds(slowest)} to start."
    return (
        f"9 of 10 servers started within {_seconds(total.p90_seconds)}. The Hub counts in bins, so"
        " this is an upper bound."
    )


def _label(one: LengthClass) -> str:
    if one.up_to is None:
        return f"over {_seconds(one.over)}"
    if not one.over:
        return f"up to {_seconds(one.up_to)}"
    over, up_to = _seconds(one.over), _seconds(one.up_to)
    same_unit = over.rpartition(" ")[2] == up_to.rpartition(" ")[2]
    return f"{over.rpartition(' ')[0] if same_unit else over} to {up_to}"


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 or seconds % 60 else f"{seconds / 60:g} min"
