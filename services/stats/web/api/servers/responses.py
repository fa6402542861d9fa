"""Turns what the database returned about servers into the API's responses. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from services.stats.query.people import PAGE_SIZE
from services.stats.query.question import Span
from services.stats.query.servers import ages, choices, forecast
from services.stats.query.servers import spawns as spawn_figures
from services.stats.query.servers.choices import Dimension, ServerUse
from services.stats.query.spawns import SpawnSummary
from services.stats.web.api.responses import Days
from services.stats.web.api.servers import types

MOST_ROWS = 500
"""Rows of profiles or images in one response. Users may send any text as a profile."""


def use(dimension: Dimension, found: ServerUse, of: Days, timezone: str) -> types.UseAnswer:
    rows = choices.by(dimension, found)
    first, last = of or (None, None)
    return types.UseAnswer(
        first=first,
        last=last,
        timezone=timezone,
        known_from=found.known_from,
        users_from=found.users_from,
        rows=[types.UseView(**row._asdict()) for row in rows[:MOST_ROWS]],
        total=len(rows),
    )


def server_ages(
    servers: Sequence[ages.RunningServer], span: Span | None, page: int, zone: ZoneInfo | None
) -> types.AgesAnswer:
    long = ages.long_running(servers)
    pages = max(1, math.ceil(len(long) / PAGE_SIZE))
    page = min(page, pages)
    return types.AgesAnswer(
        as_of=span.last_poll.astimezone(zone or UTC) if span else None,
        running=len(servers) if span else None,
        classes=[
            types.AgeClass(from_hours=start, below_hours=end, servers=number)
            for start, end, number in (ages.histogram(servers) if span else ())
        ],
        long_running=[
            _running(server, zone) for server in long[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        ],
        total=len(long),
        page=page,
        pages=pages,
    )


def _running(server: ages.RunningServer, zone: ZoneInfo | None) -> types.RunningView:
    last = server.last_activity
    return types.RunningView(
        user=server.user,
        server=server.server,
        profile=server.profile,
        image=server.image,
        started=server.started.astimezone(zone or UTC),
        last_activity=None if last is None else last.astimezone(zone or UTC),
        hours=round(server.age / timedelta(hours=1), 2),
    )


def expected(rows: Sequence[forecast.Expected], timezone: str) -> types.ForecastAnswer:
    return types.ForecastAnswer(
        timezone=timezone,
        rule=forecast.RULE,
        days=[types.ExpectedView(**row._asdict()) for row in rows],
    )


def spawns(
    total: SpawnSummary | None, rows: Sequence[SpawnSummary], of: Days, timezone: str
) -> types.SpawnsAnswer:
    first, last = of or (None, None)
    return types.SpawnsAnswer(
        first=first,
        last=last,
        timezone=timezone,
        total=_spawns(total) if total else None,
        lengths=[
            types.SpawnLengths(over_seconds=over, up_to_seconds=up_to, servers=servers)
            for over, up_to, servers in (spawn_figures.classes(total) if total else ())
        ],
        periods=[_spawns(row) for row in rows],
    )


def _spawns(row: SpawnSummary) -> types.SpawnsView:
    fields = row._asdict()
    del fields["lengths"]
    return types.SpawnsView(**fields, failure_percent=spawn_figures.failure_percent(row))
