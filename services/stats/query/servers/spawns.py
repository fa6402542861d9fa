"""How long servers took to start, and how many did not, as figures. Pure."""

from collections.abc import Sequence
from math import inf, isinf
from typing import NamedTuple

from services.stats.days import By
from services.stats.query.figures import Column, Draw, Figure, Kind
from services.stats.query.glance.facts import Fact
from services.stats.query.spawns import SpawnSummary

UNREADABLE = (
    "Unknown: the Hub counts starts, but its counters could not be read. Give the service the scope"
    " read:metrics in the Hub's configuration."
)
"""Shown if nothing is known of the whole range."""

_NOTE = (
    "Servers that started, and attempts that failed, as counted by the Hub: none is missed, however"
    " short the session. Refused: too many servers were starting or running."
)


class LengthClass(NamedTuple):
    """Servers that started within these bounds, in seconds."""

    over: float
    up_to: float | None
    """None: no upper bound."""
    servers: int


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


def lengths(total: SpawnSummary) -> Figure:
    """The distribution of durations over the whole range."""
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
    return Figure("spawnlengths", "Time to start", _sentence(total), columns, cells, Draw.BARS)


def facts(total: SpawnSummary) -> list[Fact]:
    """The key numbers of the range."""
    failures = failure_percent(total)
    note = "" if failures is None else f"({failures}%)"
    return [
        Fact("Servers started", total.starts, unknown="not readable"),
        Fact("Failed to start", total.failures, note=note, unknown="not readable"),
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
        " that this is an upper bound."
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
