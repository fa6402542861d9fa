"""The page of the distribution over people, and its CSV files."""

from aiohttp import web

from common.web.application import PREFIX
from services.stats.query.cohort.distribution import HISTOGRAMS, Distribution, people
from services.stats.query.figures import Figure
from services.stats.query.question import Span
from services.stats.web.pages import PageRequest, Pages

MOST_NAMES = 200
"""Names that the page lists in one bin; the CSV file has all."""


class DistributionPage(Pages):
    """The users of the hub or a group by active time per week, days active, and last day seen."""

    def setup(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(app[PREFIX] + "distribution", self.page)

    async def page(self, request: web.Request) -> web.Response:
        """GET distribution."""
        asked = await self.parse(request)
        self.require_many(asked)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        first, last = asked.question.days(span)
        found = Distribution(first, last)
        if first <= last:
            found = await self.queries.distribution(asked.audience, first, last)
        histograms = [make(found) for make in HISTOGRAMS.values()] if found.users else []
        return await self.render(
            request,
            asked,
            "stats_distribution.html",
            span=span,
            first=first,
            last=last,
            found=found,
            histograms=[(histogram, histogram.figure()) for histogram in histograms],
            most_names=MOST_NAMES,
        )


async def distribution_figure(
    pages: Pages, name: str, asked: PageRequest, span: Span
) -> Figure | None:
    """The table of a CSV file: a histogram or, as ``distribution``, all people. None: no such."""
    if name not in (*HISTOGRAMS, "distribution"):
        return None
    pages.require_many(asked)
    first, last = asked.question.days(span)
    found = await pages.queries.distribution(asked.audience, first, last)
    return HISTOGRAMS[name](found).figure() if name in HISTOGRAMS else people(found)
