"""The JSON API below ``api/``. Handlers parse, query what the viewer may see, and respond.

The API is read-only. Access is decided as for the pages: ``Authenticator.viewer`` finds out who
is signed in, and ``Viewer.audience`` which users they may ask about.
"""

import json
from datetime import date
from importlib.metadata import PackageNotFoundError, version

import msgspec
from aiohttp import web

from common.web.application import PREFIX
from services.stats.days import By, Period
from services.stats.query.access import Audience, Individual, Viewer, WholeHub
from services.stats.query.cohort.distribution import Distribution
from services.stats.query.cohort.standing import StandingQuery
from services.stats.query.people import TableQuery, paginate, search
from services.stats.query.periods import Summary, by_day
from services.stats.query.question import InvalidQuery, Question, Span
from services.stats.query.resources.prices import Prices
from services.stats.query.uncounted import Uncounted
from services.stats.records import GroupDay
from services.stats.store.queries.dashboard import Queries
from services.stats.web.api import cohort_responses, responses
from services.stats.web.api import types as api_types
from services.stats.web.api.base import Handlers, as_json
from services.stats.web.api.openapi import describe
from services.stats.web.api.parameters import (
    PAGED,
    RANGE,
    WHO,
    bounded_days,
    parse_points,
    required_since,
)
from services.stats.web.api.servers.handlers import ServerHandlers
from services.stats.web.authentication import Authenticator
from services.stats.web.errors import DataNotFound, add_query_errors
from services.stats.web.pages import current_time
from services.stats.web.resources.api import ResourcesApi
from services.stats.web.resources.report import ResourceSource


def add_api(
    app: web.Application,
    *,
    queries: Queries,
    authenticator: Authenticator,
    resources: ResourceSource | None = None,
) -> None:
    """Add the API to an application of common.web.application.create_app."""
    add_query_errors(app)
    Api(queries, authenticator).setup(app)
    ServerHandlers(queries, authenticator).setup(app)
    source = resources or ResourceSource(queries, None, Prices())
    ResourcesApi(source, authenticator).setup(app)


class Api(Handlers):
    """The handlers that are about users, days and groups."""

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
            "dropped-off": self.dropped_off,
            "distribution": self.distribution,
            "timeline": self.timeline,
            "groups": self.groups,
            "gaps": self.gaps,
            "concurrency": self.concurrency,
        }.items():
            app.router.add_get(prefix + name, handler)

    async def about(self, request: web.Request) -> web.Response:
        """GET api/about."""
        viewer, question = await self.parse(request, ("timezone",))
        facts = responses.Facts(
            span=await self.queries.span(),
            made_up=await self.queries.made_up(),
            terms=await self.queries.terms(),
            uncounted=await self.queries.uncounted(WholeHub(), date.max, date.min),
            starts_counted_until=await self.queries.counters_read(),
        )
        return as_json(responses.about(viewer, facts, self.zone, question.zone))

    async def summary(self, request: web.Request) -> web.Response:
        """GET api/summary."""
        viewer, question = await self.parse(request, (*RANGE, *WHO, "by"))
        audience = viewer.audience(group=question.group, user=question.user)
        span = await self.queries.span()
        days = bounded_days(question, span)
        total: list[Summary] = []
        rows: list[Summary] = []
        uncounted = Uncounted()
        if span is not None and days is not None:
            total = await self.queries.summaries(audience, [Period(*days)])
            rows = await self._summaries(audience, question.by, days, span)
            uncounted = await self.queries.uncounted(audience, *days)
        answer = responses.summary(total, rows, uncounted, days, self.zone, question.zone)
        return await self._with_resolution(answer, days)

    async def _summaries(
        self, audience: Audience, by: By, days: tuple[date, date], span: Span
    ) -> list[Summary]:
        if by is not By.DAY:
            return await self.queries.summaries(audience, await self.queries.periods(*days, by))
        rows = await self.queries.days(audience, *days)
        return by_day(rows, *days, span.last_poll, self.queries.zone)

    async def days(self, request: web.Request) -> web.Response:
        """GET api/days."""
        viewer, question = await self.parse(request, (*RANGE, *WHO))
        rows, days = await self._days(viewer, question)
        answer = responses.days(rows, days, self.zone, question.zone)
        return await self._with_resolution(answer, days)

    async def week_by_hour(self, request: web.Request) -> web.Response:
        """GET api/week-by-hour. Hours are in the recorder's time zone."""
        viewer, question = await self.parse(request, ("since", "until", *WHO))
        rows, days = await self._days(viewer, question)
        return as_json(responses.week(rows, days, self.zone))

    async def session_lengths(self, request: web.Request) -> web.Response:
        """GET api/session-lengths."""
        viewer, question = await self.parse(request, ("since", "until", *WHO))
        rows, days = await self._days(viewer, question)
        return await self._with_resolution(responses.lengths(rows, days, self.zone), days)

    async def _days(
        self, viewer: Viewer, question: Question
    ) -> tuple[list[GroupDay], tuple[date, date] | None]:
        audience = viewer.audience(group=question.group, user=question.user)
        days = bounded_days(question, await self.queries.span())
        return (await self.queries.days(audience, *days) if days else []), days

    async def people(self, request: web.Request) -> web.Response:
        """GET api/people."""
        viewer, question = await self.parse(request, ("since", "until", *WHO, *PAGED, "excluded"))
        table = TableQuery.parse(request.query)
        audience = self._listed(viewer, question)
        days = bounded_days(question, await self.queries.span())
        rows = await self.queries.people(audience, *days) if days else []
        page = paginate(search(rows, table), table.page)
        return await self._with_resolution(responses.people(page, days, self.zone), days)

    async def inactive(self, request: web.Request) -> web.Response:
        """GET api/inactive: ``since`` is required."""
        viewer, question = await self.parse(request, ("since", *WHO, *PAGED, "excluded"))
        table = TableQuery.parse(request.query)
        audience = self._listed(viewer, question)
        since = required_since(question, request.query, await self.queries.span())
        rows = await self.queries.inactive(audience, since) if since else []
        page = paginate(search(rows, table), table.page)
        return as_json(responses.inactive(page, since, self.zone))

    async def dropped_off(self, request: web.Request) -> web.Response:
        """GET api/dropped-off."""
        viewer, question = await self.parse(request, (*WHO, "days", "standing", *PAGED))
        query = StandingQuery.parse(request.query)
        audience = viewer.audience(group=question.group, user=question.user)
        recorded = await self.queries.span() is not None
        found = await self.queries.standings(audience, query.days, current_time(request))
        page = paginate(query.select(found), query.table.page)
        return as_json(cohort_responses.standings(found, page, self.zone, recorded=recorded))

    async def distribution(self, request: web.Request) -> web.Response:
        """GET api/distribution."""
        viewer, question = await self.parse(request, ("since", "until", *WHO))
        audience = viewer.audience(group=question.group, user=question.user)
        days = bounded_days(question, await self.queries.span())
        found = Distribution(date.min, date.min)
        if days is not None:
            found = await self.queries.distribution(audience, *days)
        return as_json(cohort_responses.distribution(found, days, self.zone))

    async def timeline(self, request: web.Request) -> web.Response:
        """GET api/timeline: of ``user``, by default the viewer. Raises DataNotFound."""
        viewer, question = await self.parse(request, (*RANGE, *WHO))
        audience = self._individual(viewer, question)
        days = bounded_days(question, await self.queries.span(), detailed=True)
        if days is None:
            raise DataNotFound("there are no timelines of these days")
        timeline = await self.queries.timeline(audience, *days)
        if timeline.person is None:
            raise DataNotFound("no such user among those you may see")
        answer = responses.timeline(timeline, days, self.zone, question.zone)
        return await self._with_resolution(answer, days)

    async def groups(self, request: web.Request) -> web.Response:
        """GET api/groups."""
        viewer, _ = await self.parse(request, ("q", "page"))
        table = TableQuery.parse(request.query)
        wanted = table.text.casefold()
        rows = [row for row in await self.queries.groups(viewer) if wanted in row.name.casefold()]
        return as_json(responses.groups(rows, table.page))

    async def gaps(self, request: web.Request) -> web.Response:
        """GET api/gaps: for every viewer, because gaps reveal nothing about users."""
        _, question = await self.parse(request, RANGE)
        days = bounded_days(question, await self.queries.span(), detailed=True)
        gaps = await self.queries.gaps(*days) if days else []
        return as_json(responses.gaps(gaps, days, self.zone, question.zone))

    async def concurrency(self, request: web.Request) -> web.Response:
        """GET api/concurrency."""
        viewer, question = await self.parse(request, (*RANGE, *WHO, "points"))
        points = parse_points(request.query)
        audience = viewer.audience(group=question.group, user=question.user)
        days = bounded_days(question, await self.queries.span(), detailed=True)
        moments = await self.queries.servers_at(audience, *days, points) if days else []
        return as_json(responses.concurrency(moments, days, self.zone, question.zone))

    async def _with_resolution(
        self, answer: api_types.SessionRange, days: tuple[date, date] | None
    ) -> web.Response:
        """A response about sessions, with what polls could see of them."""
        seconds = await self.queries.resolution(*days) if days else None
        return as_json(msgspec.structs.replace(answer, resolution_seconds=seconds))

    @staticmethod
    def _listed(viewer: Viewer, question: Question) -> Audience:
        audience = viewer.audience(group=question.group, user=question.user)
        return viewer.with_uncounted(audience) if question.excluded else audience

    @staticmethod
    def _individual(viewer: Viewer, question: Question) -> Individual:
        user = question.user or viewer.name
        if not user:
            raise InvalidQuery(["user: write the name of the user whose timeline you want."])
        audience = viewer.audience(group=question.group, user=user)
        if not isinstance(audience, Individual):  # with a user, it always is one
            raise TypeError(audience)
        return audience


def _version() -> str:
    try:
        return version("jupyterhub-classroom")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"
