"""Every figure and list as CSV, for whoever may see its page."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from common.web.application import PREFIX
from services.stats.commands.report_formats import csv_table
from services.stats.query import figures, people_list
from services.stats.query import timeline as lanes
from services.stats.query.access import Individual
from services.stats.query.answers import Span
from services.stats.query.figures import OVER_TIME, Figure
from services.stats.query.people_list import ListQuery, Sort
from services.stats.web.pages import Pages, Question, since_day
from services.stats.web.viewers import NotThere


class Downloads(Pages):
    """``csv/NAME.csv``, with the query of the page it belongs to."""

    def setup(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(app[PREFIX] + "csv/{name:[a-z]+}.csv", self.csv)

    async def csv(self, request: web.Request) -> web.Response:
        """The numbers of one figure or table."""
        name = request.match_info["name"]
        question = await self.question(request, own=name == "timeline")
        span = await self.queries.span()
        figure = await self._figure(name, request, question, span) if span else None
        if figure is None:
            raise NotThere("there are no such numbers")
        header = [column.key for column in figure.columns]
        rows = ([_in(value, question.zone) for value in row] for row in figure.rows)
        return web.Response(
            text=csv_table(header, rows),
            content_type="text/csv",
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="{figure.key}.csv"'},
        )

    async def _figure(
        self, name: str, request: web.Request, question: Question, span: Span
    ) -> Figure | None:
        """The figure of that name as its page shows it; None if there is none."""
        audience = question.audience
        first, last = question.asked.days(span)
        if name in ("users", "inactive"):
            usual = Sort.NAME if name == "users" else Sort.LAST_ACTIVE
            listed = ListQuery.parse(request.query, usual=usual)
            self.require_many(question)
            rows = (
                await self.queries.people(audience, first, last)
                if name == "users"
                else await self.queries.inactive(audience, since_day(question.asked, span))
            )
            return people_list.figure(name, people_list.pick(rows, listed))
        if name == "timeline" and isinstance(audience, Individual):
            timeline = await self.queries.timeline(audience, first, last)
            return lanes.sessions(timeline, span.last_poll)
        personal = isinstance(audience, Individual)
        if name == "servers" and not personal and self.fine(span, first, last):
            return await self.moments(question, first, last)
        if name not in (*OVER_TIME, "lengths", "week"):
            return None
        days = await self.queries.days(audience, first, last)
        if name == "lengths":
            return figures.lengths(days)
        if name == "week":
            return figures.week(days, self.queries.zone)
        summaries = await self.summaries(question, span, first, last, days)
        return figures.over_time(name, summaries, question.asked.by)


def _in(value: Any, zone: ZoneInfo) -> Any:
    return value.astimezone(zone) if isinstance(value, datetime) else value
