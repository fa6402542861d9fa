"""The service's own pages: the list of courses, a formgrader's log, and redirects to a course."""

from datetime import datetime
from functools import partial

from aiohttp import web

from common.clock import Clock
from common.oauth.sign_in import SignIn
from common.web.pages import render
from services.formgrader_proxy.courses import is_course_id
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.web.course_list import CourseList, in_order, matching
from services.formgrader_proxy.web.trouble import sentence

#: With more courses, the list has a filter.
MOST_WITHOUT_FILTER = 6
LONGEST_FILTER = 100


class Pages:
    """The handlers of the pages."""

    def __init__(
        self,
        site: Site,
        formgraders: Formgraders,
        sign_in: SignIn,
        courses: CourseList,
        clock: Clock,
    ) -> None:
        self._site = site
        self._formgraders = formgraders
        self._sign_in = sign_in
        self._courses = courses
        self._clock = clock

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        prefix = self._site.prefix
        app.router.add_get(prefix, self.home)
        app.router.add_get(prefix + "admin/{course:[^/]+}/log", self.log)

    async def home(self, request: web.Request) -> web.Response:
        """GET: the user's courses. Administrators also see problems with the courses file."""
        identity = await self._sign_in.require(request)
        courses = await self._courses.of(identity)
        admin = self._site.administrators.include(identity)
        text, now = request.query.get("q", "")[:LONGEST_FILTER], self._clock.now()
        return render(
            request,
            "formgrader_courses.html",
            courses=in_order(matching(courses, text), now),
            total=len(courses),
            text=text,
            filtering=len(courses) > MOST_WITHOUT_FILTER,
            longest=LONGEST_FILTER,
            now=now,
            ago=partial(ago, now=now),
            problems=self._formgraders.problems if admin else (),
            folder_problems=self._formgraders.folder_problems if admin else (),
        )

    async def log(self, request: web.Request) -> web.Response:
        """GET admin/COURSE/log: what a managed formgrader printed, for administrators."""
        identity = await self._sign_in.require(request)
        if not self._site.administrators.include(identity):
            raise web.HTTPForbidden(text="Only an administrator may read this log.")
        formgrader = self._formgraders.get(request.match_info["course"])
        if formgrader is None or formgrader.pool is None:
            raise web.HTTPNotFound(text="This service runs no formgrader for such a course.")
        return render(
            request,
            "formgrader_log.html",
            course=formgrader.course,
            state=formgrader.state,
            trouble=sentence(formgrader.trouble),
            lines=formgrader.pool.log_tail(),
        )


def ago(at: datetime, *, now: datetime) -> str:
    """How long ago that was, in the largest unit: "just now", "5 min ago", "12 days ago"."""
    minutes = int((now - at).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60):,} days ago"


def add_course_redirects(app: web.Application, services_path: str, site: Site) -> None:
    """Redirect from Hub services that are named like a course to that course.

    nbgrader's course list in JupyterLab links to ``<service>/lab?formgrader=true`` of the Hub
    service with the course's name. Such a service has this service's address as its url.
    """

    async def to_course(request: web.Request) -> web.Response:
        course_id = request.match_info["course"]
        if not is_course_id(course_id):
            raise web.HTTPNotFound
        raise web.HTTPFound(f"{site.course_path(course_id)}formgrader")

    path = services_path + "{course:[^/]+}/{tail:(lab|lab/tree|formgrader)?/?}"
    app.router.add_get(path, to_course)
