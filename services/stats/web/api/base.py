"""What the handlers of the JSON API share."""

from collections.abc import Collection

import msgspec
from aiohttp import web

from services.stats.query.access import Viewer
from services.stats.query.question import Question
from services.stats.store.queries.dashboard import Queries
from services.stats.web.api.parameters import check_names
from services.stats.web.authentication import Authenticator


class Handlers:
    """Base class. Each handler authenticates the request before it does anything else."""

    def __init__(self, queries: Queries, authenticator: Authenticator) -> None:
        self.queries = queries
        self._authenticator = authenticator

    @property
    def zone(self) -> str:
        """The name of the time zone in which days begin and end."""
        return self.queries.zone.key

    async def parse(self, request: web.Request, names: Collection[str]) -> tuple[Viewer, Question]:
        """The viewer and the question; ``names`` are the parameters the route takes."""
        viewer = await self._authenticator.viewer(request)
        check_names(request.query, names)
        return viewer, Question.parse(request.query)


def as_json(value: msgspec.Struct) -> web.Response:
    """The value as JSON."""
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
