"""What all pages share: the question in the address, and the frame with menu and groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from common.clock import Clock, SystemClock
from common.web.application import PREFIX
from common.web.pages import render as render_page
from services.stats.days import By
from services.stats.query import figures, timeline
from services.stats.query.access import Audience, Individual, Members, Viewer, WholeHub
from services.stats.query.figures import Figure, Kind
from services.stats.query.periods import Summary, by_day
from services.stats.query.question import Question, Span
from services.stats.query.uncounted import Uncounted
from services.stats.records import GroupDay
from services.stats.store.queries.dashboard import Queries
from services.stats.web.authentication import Authenticator
from services.stats.web.charts import MISSING, charts_available
from services.stats.web.errors import DataNotFound

HAS_RESOURCES = web.AppKey("has_resources", bool)
"""Whether there is a page about resources."""
CLOCK: web.AppKey[Clock] = web.AppKey("clock", Clock)
"""What the pages take as the current time; the system's clock if it is missing."""

DETAILED_DAYS = 14
"""Up to this many days, running servers are shown over time; beyond, as daily mean and peak."""

DETAILED_POINTS = 500
"""The number of points in time that are then shown."""

INACTIVE_FOR = timedelta(days=14)
"""How long a user must have been inactive to be listed, unless a day is given."""

RANGES = (7, 30, 90, 180)
"""Days offered as links."""

_SYSTEM_CLOCK = SystemClock()


def current_time(request: web.Request) -> datetime:
    """What a page or a response of the API takes as the current time."""
    return request.app.get(CLOCK, _SYSTEM_CLOCK).now()


MOST_OPTIONS = 300
"""With more groups, the group is typed instead of chosen from a list."""


@dataclass(frozen=True)
class PageRequest:
    """A viewer and their question, parsed from the request before any data is read."""

    viewer: Viewer
    question: Question
    audience: Audience
    zone: ZoneInfo
    """The zone of times: that of the days, unless the address names another one."""
    query: dict[str, str]
    """The parameters that links on the page keep."""
    now: datetime

    @property
    def group(self) -> str:
        """The group that the page is about, or in which a user is shown."""
        return self.audience.group if isinstance(self.audience, Members) else self.question.group


class Pages:
    """Base class of the pages."""

    def __init__(self, queries: Queries, authenticator: Authenticator) -> None:
        self.queries = queries
        self._authenticator = authenticator

    async def parse(self, request: web.Request, *, own: bool = False) -> PageRequest:
        """The viewer and their question; about the viewer if ``own`` and no user is named.

        Raises InvalidQuery and OutOfScope.
        """
        viewer = await self._authenticator.viewer(request)
        question = Question.parse(request.query)
        user = question.user or (viewer.name if own and not question.group else "")
        if question.group or user:
            audience = viewer.audience(group=question.group, user=user)
        else:
            audience = viewer.default_audience()
        zone = question.zone or self.queries.zone
        now = current_time(request)
        return PageRequest(viewer, question, audience, zone, _link_parameters(request), now)

    @staticmethod
    def listed(asked: PageRequest) -> Audience:
        """The users that a list has: with those who are not counted, if that is requested.

        Raises OutOfScope.
        """
        if not asked.question.excluded:
            return asked.audience
        return asked.viewer.with_uncounted(asked.audience)

    @staticmethod
    def require_many(asked: PageRequest) -> None:
        """Raise OutOfScope if the viewer sees no other users, DataNotFound if one is named."""
        if isinstance(asked.audience, Individual):
            asked.viewer.audience(group=asked.question.group)
            raise DataNotFound("this is a list of users: remove the user parameter")

    async def summaries(
        self, asked: PageRequest, span: Span, first: date, last: date, days: Sequence[GroupDay]
    ) -> Sequence[Summary]:
        """A summary of each day or other period. ``days`` are the rows of the days."""
        if asked.question.by is By.DAY:
            return by_day(days, first, last, span.last_poll, self.queries.zone)
        wanted = await self.queries.periods(first, last, asked.question.by)
        return await self.queries.summaries(asked.audience, wanted)

    @staticmethod
    def detailed(span: Span, first: date, last: date) -> bool:
        """Whether running servers are shown over time."""
        return (last - first).days < DETAILED_DAYS and first >= span.timelines_from

    async def running_servers(self, asked: PageRequest, first: date, last: date) -> Figure:
        """Running servers over time."""
        points = await self.queries.servers_at(asked.audience, first, last, DETAILED_POINTS)
        return figures.running_servers(points)

    async def render(
        self, request: web.Request, asked: PageRequest, template: str, **context: Any
    ) -> web.Response:
        """A page, with the menu and the groups that the viewer may use."""
        prefix, viewer = request.app[PREFIX], asked.viewer
        nav = []
        if viewer.sees_others:
            nav = [
                ("Overview", prefix),
                ("Users", prefix + "users"),
                ("Inactive users", prefix + "inactive"),
                ("Distribution", prefix + "distribution"),
                ("Servers", prefix + "servers"),
            ]
            if request.app[HAS_RESOURCES]:
                nav.append(("Resources", prefix + "resources"))
            nav.append(("Meeting", prefix + "meeting"))
        if viewer.name:
            nav.append(("Your activity", prefix + "person" if viewer.sees_others else prefix))
        terms = await self.queries.terms()
        uncounted = await self._uncounted(asked, context)
        groups = {row.name for row in await self.queries.groups(viewer)} | viewer.student_groups

        def link(path: str = "", /, **changes: Any) -> str:
            query = {k: v for k, v in (asked.query | changes).items() if v not in ("", None)}
            return f"{prefix}{path}" + (f"?{urlencode(query)}" if query else "")

        def local_time(value: datetime) -> str:
            return value.astimezone(asked.zone).strftime("%Y-%m-%d %H:%M")

        return render_page(
            request,
            template,
            nav=nav,
            viewer=viewer,
            question=asked.question,
            group=asked.group,
            groups=sorted(groups) if len(groups) <= MOST_OPTIONS else None,
            zone=asked.zone.key,
            days_zone=self.queries.zone.key,
            made_up=await self.queries.made_up(),
            charts=charts_available(request.app),
            charts_missing=MISSING,
            link=link,
            local_time=local_time,
            ranges=RANGES,
            by_choices=[by for by in By if by is not By.TERM or terms],
            day_width=timeline.WIDTH,
            uncounted=uncounted,
            person_uncounted=await self._is_uncounted(asked, context),
            whole_hub=isinstance(asked.audience, WholeHub),
            Kind=Kind,
            **context,
        )

    async def _uncounted(self, asked: PageRequest, context: dict[str, Any]) -> Uncounted:
        """Who is not counted on the page's days, by default today, as the viewer may see it."""
        span = context.get("span")
        if span is None or isinstance(asked.audience, Individual):
            return Uncounted()
        first, last = context.get("first", span.last_day), context.get("last", span.last_day)
        found = await self.queries.uncounted(asked.audience, first, last)
        return found.shown_to(everything=asked.viewer.everything)

    async def _is_uncounted(self, asked: PageRequest, context: dict[str, Any]) -> bool:
        """Whether the user whom the page is about is not counted; only for full access."""
        if context.get("first") is None or not isinstance(asked.audience, Individual):
            return False
        days = context["first"], context["last"]
        return asked.viewer.everything and await self.queries.is_uncounted(asked.audience, *days)


def inactive_since(question: Question, span: Span) -> date:
    """The day on and after which the listed users were not active."""
    since = question.range.since
    if isinstance(since, date):
        return since
    return span.last_day - (since or INACTIVE_FOR)


_LINK_PARAMETERS = (
    *("since", "until", "by", "group", "user", "timezone", "q", "sort", "excluded"),
    *("days", "standing"),
)


def _link_parameters(request: web.Request) -> dict[str, str]:
    return {key: request.query[key] for key in _LINK_PARAMETERS if request.query.get(key)}
