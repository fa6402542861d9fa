"""The pages that list users: all of them, and those who are inactive."""

from aiohttp import web

from common.web.application import PREFIX
from services.stats.query.people import TITLES, Sort, TableQuery, paginate, search
from services.stats.web.pages import Pages, inactive_since


class UserLists(Pages):
    """Tables of users with search, sort order and paging."""

    def setup(self, app: web.Application) -> None:
        """Add the pages' routes."""
        app.router.add_get(app[PREFIX] + "users", self.users)
        app.router.add_get(app[PREFIX] + "inactive", self.inactive)

    async def users(self, request: web.Request) -> web.Response:
        """GET users."""
        asked, table = await self.parse(request), TableQuery.parse(request.query)
        self.require_many(asked)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        first, last = asked.question.days(span)
        rows = await self.queries.people(self.listed(asked), first, last)
        return await self.render(
            request,
            asked,
            "stats_users.html",
            span=span,
            first=first,
            last=last,
            table=table,
            page=paginate(search(rows, table), table.page),
            titles=TITLES,
        )

    async def inactive(self, request: web.Request) -> web.Response:
        """GET inactive: current users who have not been active since a day."""
        asked = await self.parse(request)
        table = TableQuery.parse(request.query, default=Sort.LAST_ACTIVE)
        self.require_many(asked)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        since = inactive_since(asked.question, span)
        rows = await self.queries.inactive(self.listed(asked), since)
        return await self.render(
            request,
            asked,
            "stats_inactive.html",
            span=span,
            since=since,
            table=table,
            page=paginate(search(rows, table), table.page),
            columns=(Sort.NAME, Sort.LAST_ACTIVE, Sort.LAST_PRESENT, Sort.DAYS_ACTIVE),
            titles=TITLES,
        )
