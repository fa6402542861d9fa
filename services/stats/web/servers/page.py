"""The page about servers."""

from datetime import timedelta

from aiohttp import web

from common.web.application import PREFIX
from services.stats.query.figures import Kind
from services.stats.query.glance.facts import Fact
from services.stats.query.servers import ages, choices, forecast
from services.stats.query.servers.choices import Dimension
from services.stats.web.pages import Pages


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
        return await self.render(
            request,
            asked,
            "stats_servers.html",
            span=span,
            first=first,
            last=last,
            facts=_facts(running, rows, span.last_day + timedelta(days=1)),
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
    running: list[ages.RunningServer], rows: list[forecast.Expected], tomorrow: object
) -> list[Fact]:
    oldest = max((_minutes(server.age) for server in running), default=None)
    of_tomorrow = [row for row in rows if row.day == tomorrow]
    return [
        Fact("Running now", len(running)),
        Fact("The oldest has run for", oldest, Kind.MINUTES),
        *(Fact("Peak expected tomorrow", row.expected, note=_up_to(row)) for row in of_tomorrow),
    ]


def _up_to(row: forecast.Expected) -> str:
    if row.upper is None:
        return "too few observed weeks"
    return f"up to {row.upper:,}"
