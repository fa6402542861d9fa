"""The page "Resources" and its CSV files."""

from datetime import timedelta
from typing import Any

from aiohttp import web

from common.web.application import PREFIX
from services.stats.days import day_of
from services.stats.query.figures import Figure
from services.stats.query.question import InvalidQuery, Span
from services.stats.query.resources import figures
from services.stats.query.resources.figures import ResourceTable, paginate
from services.stats.store.queries.dashboard import Queries
from services.stats.web.api.parameters import MOST_DETAILED_DAYS
from services.stats.web.authentication import Authenticator
from services.stats.web.downloads import csv_response
from services.stats.web.errors import DataNotFound
from services.stats.web.pages import PageRequest, Pages
from services.stats.web.resources.report import Report, ResourceSource

USERS, GROUPS = "resources", "costs"
"""The names of the CSV files of users and groups."""

_COLUMNS = (
    *("name", "memory_gb_hours", "peak_memory_gb", "guaranteed_gb_hours", "unused_gb_hours"),
    *("cpu_hours", "unused_cpu_hours", "measured_percent", "cost"),
)
"""What the page's tables show; CSV files have all columns."""


class ResourcesPage(Pages):
    """Memory, CPU and cost of the hub's or a group's servers, for viewers who see other users."""

    def __init__(
        self, queries: Queries, authenticator: Authenticator, source: ResourceSource
    ) -> None:
        super().__init__(queries, authenticator)
        self._source = source

    def setup(self, app: web.Application) -> None:
        """Add the page's routes."""
        app.router.add_get(app[PREFIX] + "resources", self.page)
        names = "|".join((USERS, GROUPS, *figures.OVER_TIME))
        app.router.add_get(f"{app[PREFIX]}csv/{{name:{names}}}.csv", self.csv)

    async def page(self, request: web.Request) -> web.Response:
        """GET resources."""
        asked, table = await self.parse(request), ResourceTable.parse(request.query)
        self.require_many(asked)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        report = await self._report(asked, span)
        context: dict[str, Any] = {}
        if report is not None:
            context = {
                "facts": figures.facts(report.total),
                "figures": self._figures(asked, report, span),
                "page": paginate(table.search(report.users), table.page),
                "groups_rows": ResourceTable(sort="memory_gb_hours").search(report.groups),
                "calculation": self._source.prices.calculation(
                    report.total.paid_gb_hours, report.total.paid_cpu_hours
                ),
            }
        first, last = asked.question.days(span)
        return await self.render(
            request,
            asked,
            "stats_resources.html",
            span=span,
            first=max(first, span.timelines_from),
            last=last,
            report=report,
            prices=self._source.prices,
            table=table,
            titles=figures.TITLES,
            columns=[key for key in _COLUMNS if key != "cost" or self._source.prices],
            **context,
        )

    async def csv(self, request: web.Request) -> web.Response:
        """GET csv/NAME.csv. Raises DataNotFound, also if Prometheus did not respond."""
        name = request.match_info["name"]
        asked, table = await self.parse(request), ResourceTable.parse(request.query)
        self.require_many(asked)
        span = await self.queries.span()
        report = await self._report(asked, span) if span else None
        if span is None or report is None:
            raise DataNotFound("there are no records of these days")
        if report.reason:
            # Not an empty file, which a spreadsheet would take for zeros.
            raise DataNotFound(f"nothing is known of these days: {report.reason}")
        if name == USERS:
            rows = table.search(report.users)
            return csv_response(figures.table(name, rows, self._source.prices), asked.zone)
        if name == GROUPS:
            return csv_response(figures.table(name, report.groups, self._source.prices), asked.zone)
        (figure,) = (one for one in self._figures(asked, report, span) if one.key == name)
        return csv_response(figure, asked.zone)

    async def _report(self, asked: PageRequest, span: Span) -> Report | None:
        """None if there are no records of the days. Raises InvalidQuery for too many days."""
        first, last = asked.question.days(span)
        first = max(first, span.timelines_from)
        if first > last:
            return None
        if last - first >= timedelta(days=MOST_DETAILED_DAYS):
            raise InvalidQuery(
                [f"since, until: the range is limited to {MOST_DETAILED_DAYS} days."]
            )
        return await self._source.report(asked.audience, asked.viewer, span, (first, last))

    def _figures(self, asked: PageRequest, report: Report, span: Span) -> list[Figure]:
        today = day_of(asked.now, self.queries.zone)
        return [
            figures.over_time(key, report.days, span.last_day, today) for key in figures.OVER_TIME
        ]
