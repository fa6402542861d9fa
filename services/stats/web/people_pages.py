"""The pages that list people: all users, and who is not active."""

from aiohttp import web

from common.web.application import PREFIX
from services.stats.query import people_list
from services.stats.query.people_list import ListQuery, Sort
from services.stats.web.pages import Pages, since_day


class PeoplePages(Pages):
    """Lists, searched, sorted and paged."""

    def setup(self, app: web.Application) -> None:
        """Add the pages' routes."""
        app.router.add_get(app[PREFIX] + "users", self.users)
        app.router.add_get(app[PREFIX] + "inactive", self.inactive)

    async def users(self, request: web.Request) -> web.Response:
        """The table of users."""
        question, listed = await self.question(request), ListQuery.parse(request.query)
        self.require_many(question)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, question, "stats_empty.html", span=None)
        first, last = question.asked.days(span)
        rows = await self.queries.people(question.audience, first, last)
        return await self.render(
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
        question = await self.question(request)
        listed = ListQuery.parse(request.query, usual=Sort.LAST_ACTIVE)
        self.require_many(question)
        span = await self.queries.span()
        if span is None:
            return await self.render(request, question, "stats_empty.html", span=None)
        since = since_day(question.asked, span)
        rows = await self.queries.inactive(question.audience, since)
        return await self.render(
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
