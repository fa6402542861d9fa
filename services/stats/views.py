"""The dashboard: what a viewer may see, as pages that need no script, and as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from common.pages import PAGES, add_templates
from common.pages import render as render_page
from common.web import PREFIX
from services.stats import figures, lanes, people_list
from services.stats.access import Audience, Individual, Members, Viewer
from services.stats.answers import Span, Timeline
from services.stats.days import By, Period, periods
from services.stats.figures import OVER_TIME, PERSONAL, Figure, Kind
from services.stats.people_list import ListQuery, Sort
from services.stats.period import USUAL_DAYS, Asked, parse_zone
from services.stats.queries import Queries
from services.stats.reports import csv_table
from services.stats.viewers import NotThere, Viewers, answer_errors

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


def add_pages(app: web.Application, *, queries: Queries, viewers: Viewers) -> None:
    """Add the dashboard to an application of common.web.create_app."""
    add_templates(app, "services.stats")
    app[PAGES].environment.filters.update(number=number, utc=utc)
    if answer_errors not in app.middlewares:
        app.middlewares.append(answer_errors)
    StatsPages(queries, viewers).setup(app)


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


class StatsPages:
    """The pages' handlers."""

    def __init__(self, queries: Queries, viewers: Viewers) -> None:
        self._queries = queries
        self._viewers = viewers

    def setup(self, app: web.Application) -> None:
        """Add the pages' routes."""
        prefix = app[PREFIX]
        app.router.add_get(prefix, self.overview)
        app.router.add_get(prefix + "person", self.person)
        app.router.add_get(prefix + "users", self.users)
        app.router.add_get(prefix + "inactive", self.inactive)
        app.router.add_get(prefix + "csv/{name:[a-z]+}.csv", self.csv)

    async def overview(self, request: web.Request) -> web.Response:
        """The hub, a group, or, where that is all that may be seen, oneself."""
        question = await self._question(request)
        if isinstance(question.audience, Individual):
            return await self._person(request, question)
        span = await self._queries.span()
        if span is None:
            return await self._render(request, question, "stats_empty.html", span=None)
        first, last = question.asked.days(span)
        shown: list[Figure] = []
        facts: Sequence[figures.Fact] = ()
        week = None
        if first <= last:
            days = await self._queries.days(question.audience, first, last)
            (whole,) = await self._queries.summaries(question.audience, [Period(first, last)])
            facts = figures.facts(whole, personal=False)
            summaries = await self._summaries(question, span, first, last, days)
            shown = [figures.over_time(key, summaries, question.asked.by) for key in OVER_TIME]
            if self._fine(span, first, last):
                shown[list(OVER_TIME).index("servers")] = await self._moments(question, first, last)
            shown.append(figures.lengths(days))
            week = figures.week(days, self._queries.zone)
        return await self._render(
            request,
            question,
            "stats_overview.html",
            span=span,
            first=first,
            last=last,
            facts=facts,
            figures=shown,
            week=week,
            shades=figures.shades(week) if week else [],
        )

    async def person(self, request: web.Request) -> web.Response:
        """One person's timeline; one's own if nobody is named."""
        question = await self._question(request, own=True)
        return await self._person(request, question)

    async def users(self, request: web.Request) -> web.Response:
        """The table of users."""
        question, listed = await self._question(request), ListQuery.parse(request.query)
        self._require_many(question)
        span = await self._queries.span()
        if span is None:
            return await self._render(request, question, "stats_empty.html", span=None)
        first, last = question.asked.days(span)
        rows = await self._queries.people(question.audience, first, last)
        return await self._render(
            request,
            question,
            "stats_users.html",
            span=span,
            first=first,
            last=last,
            listed=people_list.cut(people_list.pick(rows, listed), listed.page),
            listing=listed,
            titles=people_list.TITLES,
            first_column=Sort.NAME,
            hours=people_list.hours,
        )

    async def inactive(self, request: web.Request) -> web.Response:
        """Who is there now and has not been active since a day."""
        question = await self._question(request)
        listed = ListQuery.parse(request.query, usual=Sort.LAST_ACTIVE)
        self._require_many(question)
        span = await self._queries.span()
        if span is None:
            return await self._render(request, question, "stats_empty.html", span=None)
        since = _since(question.asked, span)
        rows = await self._queries.inactive(question.audience, since)
        return await self._render(
            request,
            question,
            "stats_inactive.html",
            span=span,
            since=since,
            listed=people_list.cut(people_list.pick(rows, listed), listed.page),
            listing=listed,
            columns=(Sort.NAME, Sort.LAST_ACTIVE, Sort.DAYS_ACTIVE),
            titles=people_list.TITLES,
        )

    async def csv(self, request: web.Request) -> web.Response:
        """The numbers of one figure or table."""
        name = request.match_info["name"]
        question = await self._question(request, own=name == "timeline")
        span = await self._queries.span()
        figure = await self._figure(name, request, question, span) if span else None
        if figure is None:
            raise NotThere("there are no such numbers")
        header = [column.key for column in figure.columns]
        rows = ([_in(value, question.zone) for value in row] for row in figure.rows)
        return web.Response(
            text=csv_table(header, rows),
            content_type="text/csv",
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="{figure.key}.csv"'},
        )

    # -- the parts

    async def _question(self, request: web.Request, *, own: bool = False) -> Question:
        """Raises BadQuery and OutOfScope. own: about oneself if nobody is named."""
        viewer = await self._viewers.of(request)
        asked = Asked.parse(request.query)
        user = asked.user or (viewer.name if own and not asked.group else "")
        if asked.group or user:
            audience = viewer.audience(group=asked.group, user=user)
        else:
            audience = viewer.usual()
        remembered = parse_zone("", request.cookies.get(ZONE_COOKIE, ""), [])
        zone = asked.zone or remembered or self._queries.zone
        return Question(viewer, asked, audience, zone, _kept(request))

    @staticmethod
    def _require_many(question: Question) -> None:
        """Raise OutOfScope where the viewer sees nobody else, or asks about one person."""
        if isinstance(question.audience, Individual):
            question.viewer.audience(group=question.asked.group)
            raise NotThere("this is a list of users: leave out the user")

    async def _summaries(
        self, question: Question, span: Span, first: date, last: date, days: Sequence[Any]
    ) -> Sequence[Any]:
        if question.asked.by is By.DAY:
            return figures.by_day(days, first, last, span.last_poll, self._queries.zone)
        cut = periods(first, last, question.asked.by)
        return await self._queries.summaries(question.audience, cut)

    @staticmethod
    def _fine(span: Span, first: date, last: date) -> bool:
        return (last - first).days < FINE_DAYS and first >= span.raw_from

    async def _moments(self, question: Question, first: date, last: date) -> Figure:
        points = await self._queries.servers_at(question.audience, first, last, MOMENTS)
        return figures.moments(points)

    async def _person(self, request: web.Request, question: Question) -> web.Response:
        span = await self._queries.span()
        timeline = Timeline(None)
        more: dict[str, Any] = {}
        if span is not None and isinstance(question.audience, Individual):
            first, last = question.asked.days(span)
            timeline = await self._queries.timeline(question.audience, first, last)
            if timeline.person is not None and first <= last:
                more = await self._portrait(question, span, first, last, timeline)
            more |= {"first": first, "last": last}
        themselves = question.asked.user in ("", question.viewer.name)
        if timeline.person is None and not themselves:
            raise NotThere("nothing is known of such a user among those you may see")
        template = "stats_person.html" if span else "stats_empty.html"
        if not themselves:
            more["path"] = request.app[PREFIX] + "users"  # of the menu, where they were found
        more = {"facts": (), "figures": (), "lanes": (), "week": None, "shades": ()} | more
        return await self._render(request, question, template, span=span, timeline=timeline, **more)

    async def _portrait(
        self, question: Question, span: Span, first: date, last: date, timeline: Timeline
    ) -> dict[str, Any]:
        days = await self._queries.days(question.audience, first, last)
        (whole,) = await self._queries.summaries(question.audience, [Period(first, last)])
        summaries = await self._summaries(question, span, first, last, days)
        week = figures.week(days, self._queries.zone)
        return {
            "facts": figures.facts(whole, personal=True),
            "lanes": lanes.lanes(timeline, first, last, question.zone, span.last_poll),
            "sessions": lanes.sessions(timeline, span.last_poll),
            "figures": [figures.over_time(k, summaries, question.asked.by) for k in PERSONAL]
            + [figures.lengths(days)],
            "week": week,
            "shades": figures.shades(week),
        }

    async def _figure(
        self, name: str, request: web.Request, question: Question, span: Span
    ) -> Figure | None:
        """The figure of that name as its page shows it; None if there is none."""
        audience = question.audience
        first, last = question.asked.days(span)
        if name in ("users", "inactive"):
            usual = Sort.NAME if name == "users" else Sort.LAST_ACTIVE
            listed = ListQuery.parse(request.query, usual=usual)
            self._require_many(question)
            rows = (
                await self._queries.people(audience, first, last)
                if name == "users"
                else await self._queries.inactive(audience, _since(question.asked, span))
            )
            return people_list.figure(name, people_list.pick(rows, listed))
        if name == "timeline" and isinstance(audience, Individual):
            timeline = await self._queries.timeline(audience, first, last)
            return lanes.sessions(timeline, span.last_poll)
        personal = isinstance(audience, Individual)
        if name == "servers" and not personal and self._fine(span, first, last):
            return await self._moments(question, first, last)
        if name not in (*OVER_TIME, "lengths", "week"):
            return None
        days = await self._queries.days(audience, first, last)
        if name == "lengths":
            return figures.lengths(days)
        if name == "week":
            return figures.week(days, self._queries.zone)
        summaries = await self._summaries(question, span, first, last, days)
        return figures.over_time(name, summaries, question.asked.by)

    async def _render(
        self, request: web.Request, question: Question, template: str, **context: Any
    ) -> web.Response:
        prefix, viewer = request.app[PREFIX], question.viewer
        many = viewer.everything or bool(viewer.teaches)
        nav = [("Overview", prefix)] if many else []
        if many:
            nav += [("Users", prefix + "users"), ("Not active", prefix + "inactive")]
        if viewer.name:
            nav += [("Your activity", prefix + "person" if many else prefix)]
        groups = {row.name for row in await self._queries.groups(viewer)} | viewer.teaches

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
            days_zone=self._queries.zone.key,
            made_up=await self._queries.made_up(),
            link=link,
            moment=moment,
            ranges=RANGES,
            usual_days=USUAL_DAYS,
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


def _since(asked: Asked, span: Span) -> date:
    """The day since which nobody of the list was active."""
    since = asked.range.since
    if isinstance(since, date):
        return since
    return span.last_day - (since or LATELY)


def _in(value: Any, zone: ZoneInfo) -> Any:
    return value.astimezone(zone) if isinstance(value, datetime) else value


_KEPT = ("since", "until", "by", "group", "user", "timezone", "q", "sort")


def _kept(request: web.Request) -> dict[str, str]:
    """What of the address goes on into links."""
    return {key: request.query[key] for key in _KEPT if request.query.get(key)}
