"""What the statistics' pages have in common: the question in an address, and the frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from common.web.application import PREFIX
from common.web.pages import render as render_page
from services.stats.days import By, periods
from services.stats.query import figures
from services.stats.query import timeline as lanes
from services.stats.query.access import Audience, Individual, Members, Viewer
from services.stats.query.answers import Span
from services.stats.query.figures import Figure, Kind
from services.stats.query.periods import Asked, parse_zone
from services.stats.query.summary import Summary
from services.stats.store.queries.dashboard import Queries
from services.stats.store.rollup import GroupDay
from services.stats.web.viewers import NotThere, Viewers

ZONE_COOKIE = "stats-timezone"
"""Set by the script to the browser's time zone."""

FINE_DAYS = 14
"""Of so many days servers are drawn by the moment; of more, each day's mean and peak."""

MOMENTS = 500
"""How many moments are drawn then."""

LATELY = timedelta(days=14)
"""Who has not been active for so long is listed if it is not said."""

RANGES = (7, 30, 90, 180)
"""Days that are one click away."""

MOST_OPTIONS = 300
"""More groups than that are typed, not chosen from a list."""

UNKNOWN = "\N{EN DASH}"
"""What stands on the page where nothing was observed; the script looks for it."""


@dataclass(frozen=True)
class Question:
    """Who asks what: read from the address, before anything is looked up."""

    viewer: Viewer
    asked: Asked
    audience: Audience
    zone: ZoneInfo
    query: dict[str, str]

    @property
    def group(self) -> str:
        """The group it is about, or that a person is seen in."""
        return self.audience.group if isinstance(self.audience, Members) else self.asked.group


class Pages:
    """A set of pages about one database."""

    def __init__(self, queries: Queries, viewers: Viewers) -> None:
        self.queries = queries
        self._viewers = viewers

    async def question(self, request: web.Request, *, own: bool = False) -> Question:
        """Raises BadQuery and OutOfScope. own: about oneself if nobody is named."""
        viewer = await self._viewers.of(request)
        asked = Asked.parse(request.query)
        user = asked.user or (viewer.name if own and not asked.group else "")
        if asked.group or user:
            audience = viewer.audience(group=asked.group, user=user)
        else:
            audience = viewer.usual()
        remembered = parse_zone("", request.cookies.get(ZONE_COOKIE, ""), [])
        zone = asked.zone or remembered or self.queries.zone
        return Question(viewer, asked, audience, zone, _kept(request))

    @staticmethod
    def require_many(question: Question) -> None:
        """Raise OutOfScope where the viewer sees nobody else, or asks about one person."""
        if isinstance(question.audience, Individual):
            question.viewer.audience(group=question.asked.group)
            raise NotThere("this is a list of users: leave out the user")

    async def summaries(
        self, question: Question, span: Span, first: date, last: date, days: Sequence[GroupDay]
    ) -> Sequence[Summary]:
        """The days asked for cut as asked; ``days`` are their rows, which are counted already."""
        if question.asked.by is By.DAY:
            return figures.by_day(days, first, last, span.last_poll, self.queries.zone)
        cut = periods(first, last, question.asked.by)
        return await self.queries.summaries(question.audience, cut)

    @staticmethod
    def fine(span: Span, first: date, last: date) -> bool:
        """Whether servers are shown by the moment."""
        return (last - first).days < FINE_DAYS and first >= span.raw_from

    async def moments(self, question: Question, first: date, last: date) -> Figure:
        """Running servers by the moment."""
        points = await self.queries.servers_at(question.audience, first, last, MOMENTS)
        return figures.moments(points)

    async def render(
        self, request: web.Request, question: Question, template: str, **context: Any
    ) -> web.Response:
        """Answer with a page, with the menu and the groups that this viewer has."""
        prefix, viewer = request.app[PREFIX], question.viewer
        many = viewer.everything or bool(viewer.teaches)
        nav = [("Overview", prefix)] if many else []
        if many:
            nav += [("Users", prefix + "users"), ("Not active", prefix + "inactive")]
        if viewer.name:
            nav += [("Your activity", prefix + "person" if many else prefix)]
        groups = {row.name for row in await self.queries.groups(viewer)} | viewer.teaches

        def link(path: str = "", /, **changes: Any) -> str:
            kept = {k: v for k, v in (question.query | changes).items() if v not in ("", None)}
            return f"{prefix}{path}" + (f"?{urlencode(kept)}" if kept else "")

        def moment(value: datetime) -> str:
            return value.astimezone(question.zone).strftime("%Y-%m-%d %H:%M")

        return render_page(
            request,
            template,
            nav=nav,
            many=many,
            viewer=viewer,
            question=question,
            asked=question.asked,
            group=question.group,
            groups=sorted(groups) if len(groups) <= MOST_OPTIONS else None,
            zone=question.zone.key,
            days_zone=self.queries.zone.key,
            made_up=await self.queries.made_up(),
            link=link,
            moment=moment,
            ranges=RANGES,
            by_choices=list(By),
            lane_width=lanes.WIDTH,
            Kind=Kind,
            **context,
        )


def number(value: float | None) -> str:
    """A number as pages show it: a dash for what is not known, no zeros behind the point."""
    if value is None:
        return UNKNOWN
    return str(int(value)) if value == int(value) else str(value)


def utc(value: datetime) -> str:
    """ISO 8601 in UTC, as <time datetime> and scripts want it."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def since_day(asked: Asked, span: Span) -> date:
    """The day since which nobody of the list was active."""
    since = asked.range.since
    if isinstance(since, date):
        return since
    return span.last_day - (since or LATELY)


_KEPT = ("since", "until", "by", "group", "user", "timezone", "q", "sort")


def _kept(request: web.Request) -> dict[str, str]:
    """What of the address goes on into links."""
    return {key: request.query[key] for key in _KEPT if request.query.get(key)}
