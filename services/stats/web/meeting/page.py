"""The page for a meeting: a period on one sheet of paper, without names of users."""

from typing import Any

from aiohttp import web

from common.web.application import PREFIX
from services.stats.days import Period
from services.stats.meeting.gather import Wanted, gather
from services.stats.query.access import WholeHub
from services.stats.query.meeting.model import WHOLE_HUB, shown_days
from services.stats.query.meeting.page import page
from services.stats.web.pages import PageRequest, Pages


class MeetingPages(Pages):
    """The hub or a group in a period, compared with the period before."""

    def setup(self, app: web.Application) -> None:
        """Add the page's route."""
        app.router.add_get(app[PREFIX] + "meeting", self.meeting)

    async def meeting(self, request: web.Request) -> web.Response:
        """GET meeting. Raises OutOfScope and DataNotFound."""
        asked = await self.parse(request)
        self.require_many(asked)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        period = shown_days(asked.question.range, span, self.queries.zone)
        if period is None:
            days = Period(*asked.question.days(span))
            return await self._render(request, asked, span=span, period=days, page=None)
        wanted = Wanted(
            audience=asked.audience,
            title=WHOLE_HUB if isinstance(asked.audience, WholeHub) else asked.group,
            period=period,
            by=asked.question.by if request.query.get("by") else None,
            now=asked.now,
        )
        found = await gather(self.queries, wanted, span)
        hub = await self.queries.hub_name() or request.host
        return await self._render(request, asked, span=span, period=period, page=page(found, hub))

    async def _render(self, request: web.Request, asked: PageRequest, **shown: Any) -> web.Response:
        days = shown["period"]
        return await self.render(
            request, asked, "stats_meeting.html", first=days.first, last=days.last, **shown
        )
