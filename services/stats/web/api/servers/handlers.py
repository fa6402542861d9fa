"""The handlers of the API that are about servers."""

from aiohttp import web

from common.web.application import PREFIX
from services.stats.days import Period, periods
from services.stats.query.people import TableQuery
from services.stats.query.servers.choices import Dimension, ServerUse
from services.stats.web.api.base import Handlers, as_json
from services.stats.web.api.parameters import WHO, bounded_days
from services.stats.web.api.servers import responses


class ServerHandlers(Handlers):
    """Profiles, images, ages, the forecast and starts."""

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        prefix = app[PREFIX] + "api/"
        app.router.add_get(prefix + "profiles", self.profiles)
        app.router.add_get(prefix + "images", self.images)
        app.router.add_get(prefix + "server-ages", self.server_ages)
        app.router.add_get(prefix + "forecast", self.forecast)
        app.router.add_get(prefix + "spawns", self.spawns)

    async def profiles(self, request: web.Request) -> web.Response:
        """GET api/profiles."""
        return await self._use(Dimension.PROFILE, request)

    async def images(self, request: web.Request) -> web.Response:
        """GET api/images."""
        return await self._use(Dimension.IMAGE, request)

    async def _use(self, dimension: Dimension, request: web.Request) -> web.Response:
        viewer, question = await self.parse(request, ("since", "until", *WHO))
        audience = viewer.audience(group=question.group, user=question.user)
        days = bounded_days(question, await self.queries.span())
        found = await self.queries.server_use(audience, *days) if days else ServerUse()
        return as_json(responses.use(dimension, found, days, self.zone))

    async def server_ages(self, request: web.Request) -> web.Response:
        """GET api/server-ages: of the servers that run now."""
        viewer, question = await self.parse(request, ("timezone", *WHO, "page"))
        table = TableQuery.parse(request.query)
        audience = viewer.audience(group=question.group, user=question.user)
        span = await self.queries.span()
        running = await self.queries.running(audience)
        return as_json(responses.server_ages(running, span, table.page, question.zone))

    async def forecast(self, request: web.Request) -> web.Response:
        """GET api/forecast: for the hub or a group."""
        viewer, question = await self.parse(request, ("group",))
        audience = viewer.audience(group=question.group)
        span = await self.queries.span()
        rows = await self.queries.expected(audience, span) if span else []
        return as_json(responses.expected(rows, self.zone))

    async def spawns(self, request: web.Request) -> web.Response:
        """GET api/spawns: of the whole hub only, as the Hub does not count whose they are."""
        viewer, question = await self.parse(request, ("since", "until", "by"))
        audience = viewer.audience()
        days = bounded_days(question, await self.queries.span())
        total = rows = None
        if days is not None:
            total = await self.queries.spawns(audience, [Period(*days)])
            rows = await self.queries.spawns(audience, periods(*days, question.by))
        return as_json(responses.spawns(total[0] if total else None, rows or [], days, self.zone))
