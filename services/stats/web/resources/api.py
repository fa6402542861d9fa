"""The API's routes ``resources`` and ``cost``."""

from collections.abc import Collection

import msgspec
from aiohttp import web

from common.web.application import PREFIX
from services.stats.query.question import Question
from services.stats.query.resources.figures import ResourceTable
from services.stats.web.api.parameters import bounded_days, check_names
from services.stats.web.authentication import Authenticator
from services.stats.web.resources import views
from services.stats.web.resources.report import Report, ResourceSource


class ResourcesApi:
    """The handlers. Each authenticates the request before it does anything else."""

    def __init__(self, source: ResourceSource, authenticator: Authenticator) -> None:
        self._source = source
        self._authenticator = authenticator

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get(app[PREFIX] + "api/resources", self.resources)
        app.router.add_get(app[PREFIX] + "api/cost", self.cost)

    async def resources(self, request: web.Request) -> web.Response:
        """GET api/resources."""
        report = await self._report(request, ("since", "until", "group", "page"))
        page = ResourceTable.parse(request.query).page
        return _json(views.resources(report, self._zone, page))

    async def cost(self, request: web.Request) -> web.Response:
        """GET api/cost."""
        report = await self._report(request, ("since", "until", "group"))
        return _json(views.cost(report, self._zone, self._source.prices))

    async def _report(self, request: web.Request, names: Collection[str]) -> Report | None:
        """The report that the viewer may see; None without records. Raises OutOfScope."""
        viewer = await self._authenticator.viewer(request)
        check_names(request.query, names)
        question = Question.parse(request.query)
        ResourceTable.parse(request.query)
        audience = viewer.audience(group=question.group)
        span = await self._source.queries.span()
        days = bounded_days(question, span, detailed=True)
        if span is None or days is None:
            return None
        return await self._source.report(audience, viewer, span, days)

    @property
    def _zone(self) -> str:
        return self._source.queries.zone.key


def _json(value: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
