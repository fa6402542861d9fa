"""What the resources page needs to know of all users: names, memberships and server time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import select

from services.stats.days import bounds, day_of, midnight
from services.stats.intervals import Interval
from services.stats.query.access import Viewer
from services.stats.query.resources.names import KnownUser
from services.stats.store import tables as t
from services.stats.store.queries.selection import Selection, Windows
from services.stats.store.tables import FOREVER


@dataclass(frozen=True)
class ResourceRecords:
    """All users, to find the owners of servers, and whose use may be shown on which days."""

    users: list[KnownUser] = field(default_factory=list)
    """Everybody, whatever the audience: a name that fits two users belongs to neither."""
    deleted: frozenset[int] = frozenset()
    server_seconds: dict[tuple[int, date], float] = field(default_factory=dict)
    """By user and day, of everybody."""
    windows: Windows | None = None
    """The days on which each user may be shown and counts; None: everybody on every day."""
    groups: dict[str, Windows] = field(default_factory=dict)
    """The same for each group that the viewer may see."""


async def resource_records(selection: Selection, viewer: Viewer) -> ResourceRecords:
    """The records of the selected days, whose sessions must not be pruned yet."""
    if selection.empty:
        return ResourceRecords()
    zone = selection.zone
    seconds: dict[tuple[int, date], float] = defaultdict(float)
    servers: dict[int, set[str]] = defaultdict(set)
    for user_id, server, run in await _runs(selection):
        if server:
            servers[user_id].add(server)
        for day, part in _by_day(run, selection):
            seconds[user_id, day] += part
    found = await selection.connection.execute(
        select(t.users.c.id, t.users.c.name, t.users.c.first_seen, t.users.c.deleted)
    )
    users = []
    deleted = set()
    for row in found:
        last = date.max if row.deleted == FOREVER else day_of(row.deleted, zone)
        if row.deleted != FOREVER:
            deleted.add(row.id)
        users.append(
            KnownUser(
                row.id, row.name, day_of(row.first_seen, zone), last, frozenset(servers[row.id])
            )
        )
    return ResourceRecords(
        users,
        frozenset(deleted),
        dict(seconds),
        _windows(selection, [user.id for user in users]),
        await _groups(selection, viewer),
    )


def _windows(selection: Selection, users: Iterable[int]) -> Windows | None:
    """The days on which each user may be shown and counts."""
    if selection.windows is not None or not selection.excluded:
        return selection.windows
    return selection.counted({user_id: [(date.min, date.max)] for user_id in users})


async def _runs(selection: Selection) -> list[tuple[int, str, Interval]]:
    """User, server and time of each session on the selected days, up to the last poll."""
    window = Interval(selection.window.start, min(selection.window.end, selection.now))
    c = t.sessions.c
    query = select(c.user_id, c.server, c.started, c.ended).where(
        c.started < window.end, c.ended > window.start
    )
    return [
        (
            row.user_id,
            row.server,
            Interval(max(row.started, window.start), min(row.ended, window.end)),
        )
        for row in await selection.connection.execute(query)
    ]


def _by_day(run: Interval, selection: Selection) -> Iterator[tuple[date, float]]:
    """How many seconds of it are on each day."""
    day = day_of(run.start, selection.zone)
    start = run.start
    while start < run.end:
        end = min(bounds(day, selection.zone).end, run.end)
        yield day, (end - start).total_seconds()
        start, day = end, day + timedelta(days=1)


async def _groups(selection: Selection, viewer: Viewer) -> dict[str, Windows]:
    """The members, on the selected days, of each group that the viewer may see."""
    zone = selection.zone
    c = t.memberships.c
    query = (
        select(t.groups.c.name, c.user_id, c.since, c.until)
        .join(t.groups)
        .where(c.since < selection.window.end, c.until >= midnight(selection.first, zone))
    )
    groups: dict[str, Windows] = {}
    for row in await selection.connection.execute(query):
        if viewer.may_see_group(row.name):
            until = date.max if row.until == FOREVER else day_of(row.until, zone)
            windows = groups.setdefault(row.name, {})
            windows.setdefault(row.user_id, []).append((day_of(row.since, zone), until))
    return {name: selection.counted(windows) for name, windows in groups.items()}
