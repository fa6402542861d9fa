"""Signing in again for a page that is still open, without losing what was typed in it."""

import hmac

from aiohttp import web

from common.oauth.sign_in import Identity, SignIn
from common.web.error_pages import error_response
from common.web.pages import render
from services.formgrader_proxy.access import Role, role_in
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.audit import Audit
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.web.page_keys import page_key

#: The request header with the key of the page.
KEY_HEADER = "X-Formgrader-Page"


class SignInAgain:
    """The handlers of ``courses/COURSE/signed-in`` and ``courses/COURSE/xsrf-token``."""

    def __init__(self, site: Site, formgraders: Formgraders, sign_in: SignIn, audit: Audit) -> None:
        self._site = site
        self._formgraders = formgraders
        self._sign_in = sign_in
        self._audit = audit

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        path = self._site.prefix + "courses/{course:[^/]+}/"
        app.router.add_get(path + "signed-in", self.signed_in)
        app.router.add_post(path + "xsrf-token", self.xsrf_token)

    async def signed_in(self, request: web.Request) -> web.Response:
        """GET: the page that follows signing in, in a tab of its own."""
        identity = await self._sign_in.require(request, fresh=True)
        course = self._course(request)
        if self._role(identity, course) is Role.NOBODY:
            raise web.HTTPForbidden(text="You do not grade this course.")
        return render(request, "formgrader_signed_in.html", course=course, user=identity.name)

    async def xsrf_token(self, request: web.Request) -> web.Response:
        """POST: a new XSRF token for the page whose key is in the header X-Formgrader-Page.

        401: the browser is not signed in. 403: as another user, or without a role in the course;
        the JSON field ``reason`` is then ``user`` or ``role``.
        """
        course_id = request.match_info["course"]
        sent = request.headers.get(KEY_HEADER, "").encode("utf-8", "replace")

        def proven(identity: Identity) -> bool:
            expected = page_key(self._audit.page_secret, identity.name, course_id)
            return hmac.compare_digest(sent, expected.encode())

        identity, token = await self._sign_in.renew_xsrf_token(request, course_id, proven)
        if not token:
            text = f"You are now signed in as {identity.name}. This page belongs to another user."
            return error_response(request, 403, text, reason="user")
        # Only now: the answer reveals whether there is such a course.
        if self._role(identity, self._course(request)) is Role.NOBODY:
            text = "You do not grade this course any more."
            return error_response(request, 403, text, reason="role")
        headers = {"Cache-Control": "no-store"}
        return web.json_response({"token": token, "user": identity.name}, headers=headers)

    def _course(self, request: web.Request) -> Course:
        formgrader = self._formgraders.get(request.match_info["course"])
        if formgrader is None:
            raise web.HTTPNotFound(text="This service has no such course.")
        return formgrader.course

    def _role(self, identity: Identity, course: Course) -> Role:
        return role_in(identity, course.groups, self._site.administrators)
