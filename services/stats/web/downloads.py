"""Every figure and list as a CSV file, for viewers who may see its page."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from common.csv_table import csv_table
from common.web.application import PREFIX
from services.stats.query import figures, people, timeline
from services.stats.query.access import Individual
from services.stats.query.figures import OVER_TIME, Figure
from services.stats.query.people import Sort, TableQuery
from services.stats.query.question import Span
from services.stats.web.cohort.distribution import distribution_figure
from services.stats.web.errors import DataNotFound
from services.stats.web.pages import PageRequest, Pages, inactive_since
from services.stats.web.servers.figures import ServerFigures


class Downloads(Pages):
    """``csv/NAME.csv``, with the query string of the page that links to it."""

    def setup(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(app[PREFIX] + "csv/{name:[a-z]+}.csv", self.csv)

    async def csv(self, request: web.Request) -> web.Response:
        """GET csv/NAME.csv: the numbers of one figure or table. Raises DataNotFound."""
        name = request.match_info["name"]
        asked = await self.parse(request, own=name == "timeline")
        span = await self.queries.span()
        figure = await self._figure(name, request, asked, span) if span else None
        if figure is None:
            raise DataNotFound("there is no such figure")
        return csv_response(figure, asked.zone)

    async def _figure(
        self, name: str, request: web.Request, asked: PageRequest, span: Span
    ) -> Figure | None:
        """The figure of that name as its page shows it, or None."""
        audience = asked.audience
        first, last = asked.question.days(span)
        if name in ("users", "inactive"):
            return await self._users(name, request, asked, span)
        if name == "timeline" and isinstance(audience, Individual):
            found = await self.queries.timeline(audience, first, last)
            return timeline.sessions(found, span.last_poll)
        if (figure := await ServerFigures(self.queries, asked, span).named(name)) is not None:
            return figure
        if (found_figure := await distribution_figure(self, name, asked, span)) is not None:
            return found_figure
        personal = isinstance(audience, Individual)
        if name == "servers" and not personal and self.detailed(span, first, last):
            return await self.running_servers(asked, first, last)
        if name not in (*OVER_TIME, "lengths", "week"):
            return None
        days = await self.queries.days(audience, first, last)
        if name == "lengths":
            return figures.lengths(days)
        if name == "week" and isinstance(audience, Individual):
            found = await self.queries.timeline(audience, first, last)
            return timeline.week(found, days, self.queries.zone)
        if name == "week":
            return figures.week(days)
        summaries = await self.summaries(asked, span, first, last, days)
        return figures.over_time(name, summaries, asked.question.by)

    async def _users(
        self, name: str, request: web.Request, asked: PageRequest, span: Span
    ) -> Figure:
        default = Sort.NAME if name == "users" else Sort.LAST_ACTIVE
        table = TableQuery.parse(request.query, default=default)
        self.require_many(asked)
        if name == "users":
            rows = await self.queries.people(self.listed(asked), *asked.question.days(span))
        else:
            since = inactive_since(asked.question, span)
            rows = await self.queries.inactive(self.listed(asked), since)
        return people.figure(name, people.search(rows, table))


def csv_response(figure: Figure, zone: ZoneInfo) -> web.Response:
    """The figure as a file to download, with times in the zone."""
    header = [column.key for column in figure.columns]
    rows = ([_local(value, zone) for value in row] for row in figure.rows)
    return web.Response(
        text=csv_table(header, rows),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{figure.key}.csv"'},
    )


def _local(value: Any, zone: ZoneInfo) -> Any:
    return value.astimezone(zone) if isinstance(value, datetime) else value
