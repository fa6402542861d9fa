"""``api/courses``: the courses of a user, as JSON; the home page shows the same list."""

import msgspec
from aiohttp import web

from common.oauth.sign_in import SignIn
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.web.course_list import CourseList


class Api:
    """The handlers of the JSON API."""

    def __init__(self, site: Site, sign_in: SignIn, courses: CourseList) -> None:
        self._site = site
        self._sign_in = sign_in
        self._courses = courses

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get(self._site.prefix + "api/courses", self.courses)

    async def courses(self, request: web.Request) -> web.Response:
        """GET api/courses."""
        identity = await self._sign_in.require(request)
        body = msgspec.json.encode(await self._courses.of(identity))
        return web.Response(body=body, content_type="application/json")
