"""The page of users who dropped off, its CSV file and its list of e-mail addresses."""

from aiohttp import web

from common.csv_table import csv_table
from common.web.application import PREFIX
from services.stats.query.cohort import standing
from services.stats.query.cohort.addresses import AddressList
from services.stats.query.cohort.standing import (
    ALL,
    TITLES,
    WORDS,
    Standing,
    StandingQuery,
    Standings,
)
from services.stats.query.people import paginate
from services.stats.store.queries.dashboard import Queries
from services.stats.web.authentication import Authenticator
from services.stats.web.pages import PageRequest, Pages


class DroppedOff(Pages):
    """Current users who worked before and have not for some days, or who have not started."""

    def __init__(self, queries: Queries, authenticator: Authenticator, email: str = "") -> None:
        """``email``: the template of e-mail addresses; without one, only names can be addresses."""
        super().__init__(queries, authenticator)
        self._email = email

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        prefix = app[PREFIX]
        app.router.add_get(prefix + "dropped-off", self.page)
        app.router.add_get(prefix + "csv/dropped.csv", self.csv)
        app.router.add_get(prefix + "emails.txt", self.emails)

    async def page(self, request: web.Request) -> web.Response:
        """GET dropped-off."""
        asked, query, found = await self._ask(request)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, asked, "stats_empty.html", span=None)
        rows = query.select(found)
        return await self.render(
            request,
            asked,
            "stats_dropped_off.html",
            # In the menu, this is a part of the inactive users.
            path=request.app[PREFIX] + "inactive",
            span=span,
            query=query,
            table=query.table,
            found=found,
            counts=found.counts(),
            words=WORDS,
            page=paginate(rows, query.table.page),
            titles=TITLES,
            addresses=AddressList.of((row.name for row in rows), self._email),
            email_configured=bool(self._email),
            chosen=query.standing or ALL,
            all_standings=list(Standing),
        )

    async def csv(self, request: web.Request) -> web.Response:
        """GET csv/dropped.csv: the whole table."""
        _, query, found = await self._ask(request)
        figure = standing.figure(found, query.select(found))
        text = csv_table([column.key for column in figure.columns], figure.rows)
        return _file("dropped-off.csv", text, "text/csv")

    async def emails(self, request: web.Request) -> web.Response:
        """GET emails.txt: the addresses of the users in the table, one a line."""
        _, query, found = await self._ask(request)
        addresses = AddressList.of((row.name for row in query.select(found)), self._email)
        return _file("emails.txt", addresses.text, "text/plain")

    async def _ask(self, request: web.Request) -> tuple[PageRequest, StandingQuery, Standings]:
        asked, query = await self.parse(request), StandingQuery.parse(request.query)
        self.require_many(asked)
        found = await self.queries.standings(asked.audience, query.days, asked.now)
        return asked, query, found


def _file(name: str, text: str, content_type: str) -> web.Response:
    return web.Response(
        text=text,
        content_type=content_type,
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
