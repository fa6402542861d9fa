"""The page about servers."""

from collections.abc import Sequence
from datetime import date, timedelta

from aiohttp import web

from common.web.application import PREFIX
from services.stats.days import periods
from services.stats.query.access import WholeHub
from services.stats.query.figures import Kind
from services.stats.query.glance.facts import Fact
from services.stats.query.servers import ages, choices, forecast, spawns
from services.stats.query.servers.choices import Dimension
from services.stats.web.pages import Pages
from services.stats.web.servers.figures import known_spawns


class ServersPage(Pages):
    """The servers of the hub or a group."""

    def setup(self, app: web.Application) -> None:
        """Add the page's route."""
        app.router.add_get(app[PREFIX] + "servers", self.servers)

    async def servers(self, request: web.Request) -> web.Response:
        """GET servers."""
        asked = await self.parse(request)
        self.require_many(asked)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        first, last = asked.question.days(span)
        running = await self.queries.running(asked.audience)
        long = ages.long_running(running)
        use = await self.queries.server_use(asked.audience, first, last)
        rows = await self.queries.expected(asked.audience, span)
        facts = _facts(running, rows, span.last_day + timedelta(days=1))
        of_spawns = []
        if isinstance(asked.audience, WholeHub) and first <= last:
            # The Hub counts starts, but not whose.
            by = asked.question.by
            found = await self.queries.spawns(asked.audience, periods(first, last, by)) or []
            total, which = await known_spawns(self.queries, first, last)
            facts += spawns.facts(total, which)
            of_spawns = [spawns.over_time(found, by), spawns.lengths(total, which)]
        return await self.render(
            request,
            asked,
            "stats_servers.html",
            span=span,
            first=first,
            last=last,
            facts=facts,
            of_spawns=of_spawns,
            by_choice=[choices.figure(one, use, most=choices.MOST_SHOWN) for one in Dimension],
            ages=ages.figure(running),
            long_running=long[: ages.MOST_SHOWN],
            long_running_total=len(long),
            long_running_hours=ages.LONG_RUNNING // timedelta(hours=1),
            minutes=_minutes,
            forecast=forecast.figure(rows),
        )


def _minutes(age: timedelta) -> float:
    return age / timedelta(minutes=1)


def _facts(
    running: Sequence[ages.RunningServer], rows: Sequence[forecast.Expected], following: date
) -> list[Fact]:
    oldest = max((_minutes(server.age) for server in running), default=None)
    return [
        Fact("Running now", len(running)),
        Fact("The oldest has run for", oldest, Kind.MINUTES, unknown="no server is running"),
        *(
            Fact(
                f"Peak expected on {row.day}",
                row.expected,
                note="" if row.upper is None else f"(upper value: {row.upper:,})",
                unknown="too few observed weeks",
            )
            for row in rows
            if row.day == following
        ),
    ]
