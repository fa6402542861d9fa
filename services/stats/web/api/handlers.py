"""The JSON API below ``api/``. Handlers parse, ask for what the viewer may see, and answer.

It only reads. Who may ask for what is decided where the pages ask, too: ``Viewers`` says who it
is, ``Viewer.audience`` whom they may ask about.
"""

import json
from collections.abc import Collection
from datetime import date
from importlib.metadata import PackageNotFoundError, version

import msgspec
from aiohttp import web

from common.web.application import PREFIX
from services.stats.days import By, Period, periods
from services.stats.query import figures, people_list
from services.stats.query.access import Audience, Individual, Viewer
from services.stats.query.answers import Span
from services.stats.query.people_list import ListQuery
from services.stats.query.periods import Asked, BadQuery
from services.stats.query.summary import Summary
from services.stats.store.queries.dashboard import Queries
from services.stats.web.api import responses as api_views
from services.stats.web.api.openapi import describe
from services.stats.web.api.parameters import (
    PAGED,
    RANGE,
    WHO,
    bounded_days,
    check_names,
    parse_points,
    since_day,
)
from services.stats.web.viewers import NotThere, Viewers, answer_errors


def add_api(app: web.Application, *, queries: Queries, viewers: Viewers) -> None:
    """Add the API to an application of common.web.application.create_app."""
    if answer_errors not in app.middlewares:
        app.middlewares.append(answer_errors)
    Api(queries, viewers).setup(app)


class Api:
    """The handlers. Each asks who it is before it looks at anything else."""

    def __init__(self, queries: Queries, viewers: Viewers) -> None:
        self._queries = queries
        self._viewers = viewers

    def setup(self, app: web.Application) -> None:
        """Add the API's routes."""
        prefix = app[PREFIX] + "api/"
        description = json.dumps(describe(app[PREFIX], _version()), indent=1)

        async def openapi(_request: web.Request) -> web.Response:
            return web.Response(text=description, content_type="application/json")

        app.router.add_get(prefix + "openapi.json", openapi)
        for name, handler in {
            "about": self.about,
            "summary": self.summary,
            "days": self.days,
            "week-by-hour": self.week_by_hour,
            "session-lengths": self.session_lengths,
            "people": self.people,
            "inactive": self.inactive,
            "timeline": self.timeline,
            "groups": self.groups,
            "gaps": self.gaps,
            "concurrency": self.concurrency,
        }.items():
            app.router.add_get(prefix + name, handler)

    async def about(self, request: web.Request) -> web.Response:
        """GET api/about."""
        viewer, _ = await self._asked(request, ("timezone",))
        asked = Asked.parse(request.query)
        made_up = await self._queries.made_up()
        return _json(
            api_views.about(viewer, await self._queries.span(), self._zone, asked.zone, made_up)
        )

    async def summary(self, request: web.Request) -> web.Response:
        """GET api/summary."""
        viewer, asked = await self._asked(request, (*RANGE, *WHO, "by"))
        audience = viewer.audience(group=asked.group, user=asked.user)
        span = await self._queries.span()
        days = bounded_days(asked, span)
        total: list[Summary] = []
        rows: list[Summary] = []
        if span is not None and days is not None:
            total = await self._queries.summaries(audience, [Period(*days)])
            rows = await self._periods(audience, asked.by, days, span)
        return _json(api_views.summary(total, rows, days, self._zone, asked.zone))

    async def _periods(
        self, audience: Audience, by: By, days: tuple[date, date], span: Span
    ) -> list[Summary]:
        if by is not By.DAY:
            return await self._queries.summaries(audience, periods(*days, by))
        rows = await self._queries.days(audience, *days)
        return figures.by_day(rows, *days, span.last_poll, self._queries.zone)

    async def days(self, request: web.Request) -> web.Response:
        """GET api/days."""
        viewer, asked = await self._asked(request, (*RANGE, *WHO))
        audience = viewer.audience(group=asked.group, user=asked.user)
        days = bounded_days(asked, await self._queries.span())
        rows = await self._queries.days(audience, *days) if days else []
        return _json(api_views.days(rows, days, self._zone, asked.zone))

    async def week_by_hour(self, request: web.Request) -> web.Response:
        """GET api/week-by-hour. The hours are of the recorder's time zone."""
        viewer, asked = await self._asked(request, ("since", "until", *WHO))
        audience = viewer.audience(group=asked.group, user=asked.user)
        days = bounded_days(asked, await self._queries.span())
        rows = await self._queries.days(audience, *days) if days else []
        return _json(api_views.week(rows, days, self._zone))

    async def session_lengths(self, request: web.Request) -> web.Response:
        """GET api/session-lengths."""
        viewer, asked = await self._asked(request, ("since", "until", *WHO))
        audience = viewer.audience(group=asked.group, user=asked.user)
        days = bounded_days(asked, await self._queries.span())
        rows = await self._queries.days(audience, *days) if days else []
        return _json(api_views.lengths(rows, days, self._zone))

    async def people(self, request: web.Request) -> web.Response:
        """GET api/people."""
        viewer, asked = await self._asked(request, ("since", "until", *WHO, *PAGED))
        listing = ListQuery.parse(request.query)
        audience = viewer.audience(group=asked.group, user=asked.user)
        days = bounded_days(asked, await self._queries.span())
        rows = await self._queries.people(audience, *days) if days else []
        listed = people_list.cut(people_list.pick(rows, listing), listing.page)
        return _json(api_views.people(listed, days, self._zone))

    async def inactive(self, request: web.Request) -> web.Response:
        """GET api/inactive: ``since`` must be there."""
        viewer, asked = await self._asked(request, ("since", *WHO, *PAGED))
        listing = ListQuery.parse(request.query)
        audience = viewer.audience(group=asked.group, user=asked.user)
        since = since_day(asked, request.query, await self._queries.span())
        rows = await self._queries.inactive(audience, since) if since else []
        listed = people_list.cut(people_list.pick(rows, listing), listing.page)
        return _json(api_views.inactive(listed, since, self._zone))

    async def timeline(self, request: web.Request) -> web.Response:
        """GET api/timeline: of ``user``, by default of who asks."""
        viewer, asked = await self._asked(request, (*RANGE, *WHO))
        audience = self._individual(viewer, asked)
        days = bounded_days(asked, await self._queries.span(), raw=True)
        if days is None:
            raise NotThere("of these days there are no timelines")
        timeline = await self._queries.timeline(audience, *days)
        if timeline.person is None:
            raise NotThere("nothing is known of that user")
        return _json(api_views.timeline(timeline, days, self._zone, asked.zone))

    async def groups(self, request: web.Request) -> web.Response:
        """GET api/groups."""
        viewer, _ = await self._asked(request, ("q", "page"))
        listing = ListQuery.parse(request.query)
        wanted = listing.text.casefold()
        rows = [row for row in await self._queries.groups(viewer) if wanted in row.name.casefold()]
        return _json(api_views.groups(rows, listing.page))

    async def gaps(self, request: web.Request) -> web.Response:
        """GET api/gaps: of the recorder, so they are no secret of anybody."""
        _, asked = await self._asked(request, RANGE)
        days = bounded_days(asked, await self._queries.span(), raw=True)
        gaps = await self._queries.gaps(*days) if days else []
        return _json(api_views.gaps(gaps, days, self._zone, asked.zone))

    async def concurrency(self, request: web.Request) -> web.Response:
        """GET api/concurrency."""
        viewer, asked = await self._asked(request, (*RANGE, *WHO, "points"))
        points = parse_points(request.query)
        audience = viewer.audience(group=asked.group, user=asked.user)
        days = bounded_days(asked, await self._queries.span(), raw=True)
        moments = await self._queries.servers_at(audience, *days, points) if days else []
        return _json(api_views.concurrency(moments, days, self._zone, asked.zone))

    @property
    def _zone(self) -> str:
        return self._queries.zone.key

    async def _asked(self, request: web.Request, names: Collection[str]) -> tuple[Viewer, Asked]:
        viewer = await self._viewers.of(request)
        check_names(request.query, names)
        return viewer, Asked.parse(request.query)

    @staticmethod
    def _individual(viewer: Viewer, asked: Asked) -> Individual:
        user = asked.user or viewer.name
        if not user:
            raise BadQuery(["user: write whose timeline it is to be."])
        audience = viewer.audience(group=asked.group, user=user)
        if not isinstance(audience, Individual):  # asked for a user it always is
            raise TypeError(audience)
        return audience


def _json(value: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _version() -> str:
    try:
        return version("jupyterhub-classroom")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
