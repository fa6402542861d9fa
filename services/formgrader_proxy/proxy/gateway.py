"""The path of a request through the proxy, from top to bottom in :meth:`Gateway.handle`.

target → who → may → forward → audit → answer. Each step can end a request; none can extend what
an earlier step allowed.
"""

import asyncio
import logging
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote

from aiohttp import web

from common.clock import Clock
from common.errors import RequestError
from common.oauth.request import is_websocket
from common.oauth.sign_in import Exposure, Identity, SignIn
from common.web.error_pages import error_response
from services.formgrader_proxy.access import Content, Mode, Refusal, Role, role_in
from services.formgrader_proxy.allow_list import OTHER, Rule, check_role, find_rule
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.metrics import FormgraderMetrics, Outcome
from services.formgrader_proxy.proxy.additions.notebook_links import appended_script
from services.formgrader_proxy.proxy.additions.xsrf import exposure_of, token_element, token_script
from services.formgrader_proxy.proxy.changes import ACTIONS_WITH_RESULT, forward_change
from services.formgrader_proxy.proxy.forward_http import Additions, forward_http
from services.formgrader_proxy.proxy.forward_ws import UpstreamRefusedWebSocket, forward_ws
from services.formgrader_proxy.proxy.headers import HeadersRefused
from services.formgrader_proxy.proxy.policy_headers import security_headers
from services.formgrader_proxy.proxy.request_body import (
    FULL,
    LISTED,
    Body,
    BodyRefused,
    read_body,
)
from services.formgrader_proxy.proxy.request_head import HeadCache, RequestHead
from services.formgrader_proxy.proxy.response_headers import RedirectRefused, Surroundings
from services.formgrader_proxy.proxy.target import PathRefused, Target, read_target
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.web.refusals import redirect_page, refusal_page, unreachable_page
from services.formgrader_proxy.web.waiting import waiting_page

log = logging.getLogger("formgrader")

#: Seconds between two checks whether the user of an open WebSocket still has access.
WEBSOCKET_CHECK_SECONDS = 30.0
_READ = frozenset({"GET", "HEAD"})


class _Passage(NamedTuple):
    """A request that may pass, with everything that was found out about it."""

    request: web.Request
    target: Target
    head: RequestHead
    segments: tuple[str, ...]
    course: Course
    rule: Rule
    identity: Identity
    role: Role
    formgrader: Formgrader


class _Refused(Exception):
    """A request ends with this response."""

    def __init__(self, response: web.StreamResponse) -> None:
        self.response = response


class Gateway:
    """Handles every request below a course's prefix."""

    def __init__(
        self,
        site: Site,
        formgraders: Formgraders,
        sign_in: SignIn,
        audit: Audit,
        metrics: FormgraderMetrics,
        clock: Clock,
    ) -> None:
        self._site = site
        self._prefix = tuple(unquote(part) for part in site.prefix.split("/") if part)
        self._formgraders = formgraders
        self._sign_in = sign_in
        self._audit = audit
        self._metrics = metrics
        self._clock = clock
        self._heads = HeadCache(clock)

    def setup(self, app: web.Application) -> None:
        """Add the route for everything below the prefix; more specific routes come first."""
        app.router.add_route("*", self._site.prefix + "{tail:.+}", self.handle)
        app.cleanup_ctx.append(self._heads.expire)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request below ``<prefix><course>/``."""
        # Target: the address and the head each have exactly one interpretation.
        try:
            target = read_target(request.raw_path)
            head = self._heads.read(
                request.method, request.raw_headers, request.remote or "", request.scheme
            )
        except (PathRefused, HeadersRefused) as refused:
            self._metrics.refused(refused.fault.value)
            log.warning("refused: %s (%s)", refused, request.method)
            status = refused.status if isinstance(refused, HeadersRefused) else 400
            return error_response(request, status, str(refused))
        try:
            # A change is checked with the Hub when its body is complete.
            fresh = request.method not in _READ and not request.body_exists
            passage = await self._permit(request, target, head, fresh=fresh)
            body = await read_body(request, FULL if passage.rule.action == OTHER else LISTED)
            if body is None:
                return await self._answer(passage, None)
            # Completed even if the browser disconnects now.
            return await asyncio.shield(self._permit_and_answer(passage, body))
        except _Refused as refused:
            return refused.response
        except BodyRefused as refused:
            return error_response(request, refused.status, str(refused), title="Not saved")

    async def _permit_and_answer(self, passage: _Passage, body: Body) -> web.StreamResponse:
        """Receiving the body may have taken minutes, so what was permitted may not be any more."""
        with body:
            passage = await self._permit(passage.request, passage.target, passage.head, fresh=True)
            return await self._answer(passage, body)

    async def _permit(
        self, request: web.Request, target: Target, head: RequestHead, *, fresh: bool
    ) -> _Passage:
        """Who sends the request, and whether they may.

        :raises _Refused: with the response
        """
        course_id, segments = self._split(target)
        formgrader = self._formgraders.get(course_id) or await self._look_up(request, course_id)
        if formgrader is None:
            raise _Refused(error_response(request, 404, "This service has no such course."))
        course = formgrader.course

        # Who: signed in, and sent by a page that the rule accepts requests from.
        rule = find_rule(request.method, segments, course.mode, target.query)
        identity = await self._identify(request, course, rule, fresh=fresh)

        # May: the user's role in this course is high enough for the rule.
        role = self._role(identity, course)
        if role is Role.NOBODY:
            raise self._refused(
                course, role, error_response(request, 403, "You do not grade this course.")
            )
        rule = check_role(rule, role)
        if isinstance(rule, Rule) and is_websocket(request) and not rule.websocket:
            rule = Refusal.WEBSOCKET
        if isinstance(rule, Refusal):
            self._metrics.refused(rule.value)
            raise self._refused(course, role, refusal_page(request, rule, segments))
        return _Passage(request, target, head, segments, course, rule, identity, role, formgrader)

    async def _answer(self, passage: _Passage, body: Body | None) -> web.StreamResponse:
        """Forward, audit and answer."""
        course, role, formgrader = passage.course, passage.role, passage.formgrader
        try:
            upstream = formgrader.ready()
            if upstream is None:
                self._metrics.request(course.id, role, Outcome.STARTING)
                return waiting_page(passage.request, formgrader)
            with formgrader.in_use(upstream):
                response = await self._pass_on(passage, upstream, body)
        except (UpstreamUnreachable, RedirectRefused) as error:
            return self._failed(passage, error)
        self._metrics.request(course.id, role, Outcome.of(response.status))
        return response

    def _split(self, target: Target) -> tuple[str, tuple[str, ...]]:
        """The course's id, and the segments below its prefix."""
        segments, depth = target.segments, len(self._prefix)
        if segments[:depth] != self._prefix or len(segments) == depth:
            return "", ()
        return segments[depth], segments[depth + 1 :]

    async def _look_up(self, request: web.Request, course_id: str) -> Formgrader | None:
        """Read the courses file again: the course may have been added since the last time.

        Only for a signed-in user, because the answer reveals which courses there are.
        """
        await self._sign_in.require(request, read_form=False)
        await self._formgraders.refresh()
        return self._formgraders.get(course_id)

    async def _identify(
        self, request: web.Request, course: Course, rule: Rule | Refusal, *, fresh: bool
    ) -> Identity:
        # A WebSocket stays open for long, so it is checked like a change.
        exposure = Exposure.PRIVATE
        if isinstance(rule, Rule):
            exposure = exposure_of(rule.content, course.mode)
        return await self._sign_in.require(
            request,
            fresh=fresh or is_websocket(request),
            read_form=False,
            exposure=exposure,
            area=course.id,
        )

    def _role(self, identity: Identity, course: Course) -> Role:
        return role_in(identity, course.groups, self._site.administrators)

    def _refused(self, course: Course, role: Role, response: web.Response) -> _Refused:
        self._metrics.request(course.id, role, Outcome.REFUSED)
        return _Refused(response)

    async def _pass_on(
        self, passage: _Passage, upstream: Upstream, body: Body | None
    ) -> web.StreamResponse:
        request, rule = passage.request, passage.rule
        if rule.action is None:
            return await self._forward(passage, upstream, body)
        change = Change(
            at=self._clock.now(),
            course=passage.course.id,
            user=passage.identity.name,
            role=passage.role.name.lower(),
            action=rule.action,
            path="/".join(passage.segments),
        )
        # Completed even if the browser disconnects: there is no half of a grade, and the audit
        # log has to show the outcome.
        forward = partial(self._forward, passage, upstream)
        return await asyncio.shield(forward_change(request, change, body, self._audit, forward))

    async def _forward(
        self, passage: _Passage, upstream: Upstream, body: Body | None
    ) -> web.StreamResponse:
        if is_websocket(passage.request):
            return await self._forward_websocket(passage, upstream)
        head, content = passage.head, passage.rule.content
        course_path = self._site.course_path(passage.course.id)
        append = appended_script(passage.segments, passage.course, self._site.hub_url)
        append += token_script(passage.segments)
        if content is Content.PAGE:
            if passage.segments[:1] == ("formgrader",):
                token = self._sign_in.xsrf_token(passage.request, passage.course.id)
                append = token_element(token)
            if passage.course.mode is Mode.FULL:
                self._sign_in.set_xsrf_cookie(passage.request, passage.course.id, course_path)
        policy = partial(
            security_headers,
            content,
            course_url=f"{head.outside.scheme}://{head.outside.host}{course_path}",
            frame_ancestors=self._site.frame_ancestors,
        )
        started = self._clock.monotonic()
        response = await forward_http(
            passage.request,
            upstream,
            passage.target.raw_target,
            head.to_upstream(upstream.token),
            Additions(
                self._surroundings(passage, upstream),
                append=append,
                policy=policy,
                result=passage.rule.action in ACTIONS_WITH_RESULT,
            ),
            body=body,
        )
        self._metrics.first_byte(self._clock.monotonic() - started)
        return response

    def _surroundings(self, passage: _Passage, upstream: Upstream) -> Surroundings:
        """Where the response may redirect to."""
        outside = passage.head.outside
        origins = frozenset({f"{outside.scheme}://{outside.host}", upstream.origin})
        return Surroundings(passage.target, len(self._prefix) + 1, origins)

    async def _forward_websocket(self, passage: _Passage, upstream: Upstream) -> web.StreamResponse:
        with self._metrics.websocket():
            try:
                return await forward_ws(
                    passage.request,
                    upstream,
                    passage.target.raw_target,
                    passage.head.to_upstream(upstream.token),
                    until=partial(self._access_lost, passage),
                )
            except UpstreamRefusedWebSocket as error:
                return error_response(passage.request, 502 if error.status >= 500 else error.status)

    async def _access_lost(self, passage: _Passage) -> None:
        """Return when the user's role becomes lower than it was when the WebSocket opened."""
        while True:
            await self._clock.sleep(WEBSOCKET_CHECK_SECONDS)
            if passage.formgrader.closed:
                return
            try:
                found = await self._sign_in.identify(passage.request, fresh=True, read_form=False)
            except RequestError as error:
                log.warning("a WebSocket stays open because the Hub is unavailable: %s", error)
                continue
            if found is None or self._role(found, passage.formgrader.course) < passage.role:
                return

    def _failed(
        self, passage: _Passage, error: UpstreamUnreachable | RedirectRefused
    ) -> web.StreamResponse:
        course, away = passage.course, isinstance(error, UpstreamUnreachable)
        outcome = Outcome.AWAY if away else Outcome.SERVER_ERROR
        self._metrics.request(course.id, passage.role, outcome)
        what = "cannot be reached" if away else "was not trusted"
        log.warning("course %s: the formgrader %s: %s", course.id, what, error)
        if away:
            return unreachable_page(passage.request, course)
        return redirect_page(passage.request, course)
