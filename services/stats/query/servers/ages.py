"""How long the servers that run now have been running. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from services.stats.query.figures import Column, Draw, Figure, Kind

LONG_RUNNING = timedelta(hours=8)
"""Servers that have run for this long are listed by name."""

MOST_SHOWN = 50
"""Rows of that list on the page; the others are in the CSV file."""

HOUR, DAY = 1, 24
AGES = (1, 2, 4, 8, 12, 1 * DAY, 3 * DAY, 7 * DAY)
"""Upper bounds of the histogram's bins, in hours (exclusive)."""


class RunningServer(NamedTuple):
    """A server that runs now."""

    user: str
    server: str
    """Empty for the default server."""
    profile: str | None
    image: str | None
    started: datetime
    """In a group not before the day on which the user joined, like all that follows from it."""
    last_activity: datetime | None
    """None: before that day."""
    age: timedelta
    """As of the last poll."""


def histogram(servers: Sequence[RunningServer]) -> list[tuple[int, int | None, int]]:
    """From how many hours, below how many (None: no bound), and the number of servers."""
    counted = [0] * (len(AGES) + 1)
    for server in servers:
        counted[sum(server.age >= timedelta(hours=end) for end in AGES)] += 1
    return list(zip((0, *AGES), (*AGES, None), counted, strict=True))


def long_running(servers: Sequence[RunningServer]) -> list[RunningServer]:
    """The servers that have run for LONG_RUNNING or more, the oldest first."""
    found = [server for server in servers if server.age >= LONG_RUNNING]
    return sorted(found, key=lambda server: (server.started, server.user, server.server))


def figure(servers: Sequence[RunningServer]) -> Figure:
    """The histogram of ages."""
    columns = (
        Column("age", "Age", Kind.TEXT),
        Column("servers", "Servers", scale="y"),
    )
    rows = [[_label(start, end), number] for start, end, number in histogram(servers)]
    note = "Servers that are running now, by how long they have been running."
    return Figure("ages", "Ages of running servers", note, columns, rows, Draw.BARS)


def list_figure(servers: Sequence[RunningServer]) -> Figure:
    """The servers that have run for long, for CSV."""
    columns = (
        Column("user", "User", Kind.TEXT),
        Column("server", "Server", Kind.TEXT),
        Column("profile", "Profile", Kind.TEXT),
        Column("image", "Image", Kind.TEXT),
        Column("started", "Started", Kind.TIME),
        Column("last_activity", "Last activity", Kind.TIME),
        Column("hours", "Age", Kind.HOURS),
    )
    rows = [
        [*server[:6], round(server.age / timedelta(hours=1), 2)] for server in long_running(servers)
    ]
    return Figure("longrunning", "Long-running servers", "", columns, rows)


def _label(start: int, end: int | None) -> str:
    if end is None:
        return f"{_bound(start)} or more"
    if not start:
        return f"under {_bound(end)}"
    same_unit = (start < DAY) is (end < DAY)
    return f"{_bound(start).partition(' ')[0] if same_unit else _bound(start)} to {_bound(end)}"


def _bound(hours: int) -> str:
    if hours < DAY:
        return f"{hours} h"
    days = hours // DAY
    return f"{days} day" if days == 1 else f"{days} days"
