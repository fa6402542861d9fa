"""The path of a request through the proxy, from top to bottom in :meth:`Gateway.handle`.

target → who → may → forward → audit → answer. Each step can end a request; none can extend what
an earlier step allowed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
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
from services.formgrader_proxy.jobs.jobs import Jobs, User
from services.formgrader_proxy.jobs.requests import ACTIONS
from services.formgrader_proxy.jobs.send import Reply
from services.formgrader_proxy.metrics import FormgraderMetrics, Held, Outcome
from services.formgrader_proxy.proxy.additions.notebook_links import appended_script
from services.formgrader_proxy.proxy.additions.statistics_link import statistics_element
from services.formgrader_proxy.proxy.additions.xsrf import exposure_of, token_element, token_script
from services.formgrader_proxy.proxy.changes import forward_change
from services.formgrader_proxy.proxy.forward_http import Additions, forward_http
from services.formgrader_proxy.proxy.forward_ws import UpstreamRefusedWebSocket, forward_ws
from services.formgrader_proxy.proxy.headers import HeadersRefused
from services.formgrader_proxy.proxy.holding.delivery import IDEMPOTENT, Delivery
from services.formgrader_proxy.proxy.holding.hold import HeldChange, Holding
from services.formgrader_proxy.proxy.holding.not_saved import NotSaved
from services.formgrader_proxy.proxy.long_actions import run_as_job
from services.formgrader_proxy.proxy.policy_headers import NONCE_HEADER, security_headers
from services.formgrader_proxy.proxy.request_body import (
    FULL,
    LISTED,
    Body,
    BodyRefused,
    read_body,
)
from services.formgrader_proxy.proxy.request_head import HeadCache, RequestHead
from services.formgrader_proxy.proxy.response_headers import (
    RedirectRefused,
    Surroundings,
    to_client,
)
from services.formgrader_proxy.proxy.target import PathRefused, Target, read_target
from services.formgrader_proxy.settings import Site
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable, Work
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.formgraders import Formgraders
from services.formgrader_proxy.web.courses.activity import Activity
from services.formgrader_proxy.web.jobs.api import JobsApi
from services.formgrader_proxy.web.page_keys import page_element, page_key
from services.formgrader_proxy.web.refusals import (
    redirect_page,
    refusal_page,
    unreachable_change,
    unreachable_page,
)
from services.formgrader_proxy.web.waiting import waiting_page

log = logging.getLogger("formgrader")

#: Seconds that a request waits for its turn.
TURN_SECONDS = 60.0
#: Seconds between two checks whether the user of an open WebSocket still has access.
WEBSOCKET_CHECK_SECONDS = 30.0
_READ = frozenset({"GET", "HEAD"})

#: Makes security headers from the nonces in a response.
Policy = Callable[[Sequence[str]], tuple[tuple[str, str], ...]]


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


#: Forwards a change once.
_Send = Callable[[_Passage, Upstream], Awaitable[web.StreamResponse]]


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
        activity: Activity,
        jobs: Jobs,
        stopping: asyncio.Event,
    ) -> None:
        self._site = site
        self._prefix = tuple(unquote(part) for part in site.prefix.split("/") if part)
        self._formgraders = formgraders
        self._sign_in = sign_in
        self._audit = audit
        self._metrics = metrics
        self._clock = clock
        self._activity = activity
        self._jobs = jobs
        self._jobs_api = JobsApi(site, jobs, clock)
        self._heads = HeadCache(clock)
        self._holding = Holding(clock, metrics, stopping)

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
            if request.method in _READ:
                passage = await self._permit(request, target, head, fresh=False)
                return await self._answer(passage)
            return await self._change(request, target, head)
        except _Refused as refused:
            return refused.response
        except NotSaved as error:
            log.warning("a change was not saved: %s", error)
            return error.response(request)
        except BodyRefused as refused:
            return error_response(
                request, refused.status, str(refused), title="Not saved", saved=False
            )

    async def _change(
        self, request: web.Request, target: Target, head: RequestHead
    ) -> web.StreamResponse:
        """A change is permitted before its body is received, and checked with the Hub after."""
        permit = partial(self._permit, request, target, head)
        with self._holding.change("", 0) as held:
            passage = await held.despite_hub(partial(permit, fresh=False))
        body = await read_body(request, FULL if passage.rule.action == OTHER else LISTED)
        is_job = passage.rule.served or passage.rule.action in ACTIONS
        deliver = self._start_job if is_job else self._deliver
        # Completed even if the browser disconnects now.
        return await asyncio.shield(deliver(passage, body, partial(permit, fresh=True), held))

    async def _start_job(
        self,
        passage: _Passage,
        body: Body | None,
        permit: Callable[[], Awaitable[_Passage]],
        before: HeldChange,
    ) -> web.StreamResponse:
        """Run a long change as a job. Its requests have no body, so this one is not used."""
        if body is not None:
            body.close()
        user = passage.identity.name
        with self._holding.change(passage.course.id, 0, before.spent, user) as held:
            passage = await held.despite_hub(permit)
        self._activity.seen(passage.course.id, passage.identity.name)
        return await self._answer_about_jobs(passage)

    async def _deliver(
        self,
        passage: _Passage,
        body: Body | None,
        permit: Callable[[], Awaitable[_Passage]],
        before: HeldChange,
    ) -> web.StreamResponse:
        """Forward a change when its formgrader runs. ``before`` is how it was held until now."""
        course_id, size = passage.course.id, body.size if body is not None else 0
        idempotent = passage.rule.action in IDEMPOTENT
        async with AsyncExitStack() as stack:
            if body is not None:
                stack.enter_context(body)
            user = passage.identity.name
            held = stack.enter_context(self._holding.change(course_id, size, before.spent, user))
            if idempotent:
                turn = self._holding.turn(held, passage.target.raw)
                await stack.enter_async_context(turn)
            delivery = Delivery(held, permit, idempotent=idempotent)
            try:
                passage, upstream = await delivery.admit()
                self._activity.seen(course_id, passage.identity.name)
                response = await self._record(
                    passage, body, partial(delivery.send, passage, upstream)
                )
            except (UpstreamUnreachable, RedirectRefused) as error:
                return self._failed(passage, error)
            except NotSaved as error:
                unknown = error.outcome is Held.UNKNOWN
                outcome = Outcome.AWAY if unknown else Outcome.STARTING
                self._metrics.request(course_id, passage.role, outcome)
                raise
            self._metrics.request(course_id, passage.role, Outcome.of(response.status))
            return response

    async def _permit(
        self, request: web.Request, target: Target, head: RequestHead, *, fresh: bool
    ) -> _Passage:
        """Who sends the request, and whether they may.

        :raises _Refused: with the response
        """
        course_id, segments = self._split(target)
        formgrader = self._formgraders.get(course_id) or await self._look_up(request, course_id)
        if formgrader is None:
            text = "This service has no such course."
            raise _Refused(error_response(request, 404, text, saved=False))
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
        if segments in {(), ("",)} and request.method in _READ:
            # The address of a course as the documentation gives it. Jupyter has nothing else there.
            raise web.HTTPFound(f"{self._site.course_path(course.id)}formgrader")
        rule = check_role(rule, role)
        if isinstance(rule, Rule) and is_websocket(request) and not rule.websocket:
            rule = Refusal.WEBSOCKET
        if isinstance(rule, Refusal):
            self._metrics.refused(rule.value)
            raise self._refused(course, role, refusal_page(request, rule, segments))
        return _Passage(request, target, head, segments, course, rule, identity, role, formgrader)

    async def _answer(self, passage: _Passage) -> web.StreamResponse:
        """Forward a read."""
        course, role, formgrader = passage.course, passage.role, passage.formgrader
        self._activity.seen(course.id, passage.identity.name)
        try:
            if passage.rule.served:
                return await self._answer_about_jobs(passage)
            upstream = formgrader.ready()
            if upstream is not None:  # it may be busy, and another process free soon
                upstream = await formgrader.until_ready(Work.PAGES, TURN_SECONDS)
            if upstream is None:
                self._metrics.request(course.id, role, Outcome.STARTING)
                return waiting_page(passage.request, formgrader, role)
            with formgrader.in_use(upstream):
                response = await self._forward(passage, upstream, None)
        except (UpstreamUnreachable, RedirectRefused) as error:
            return self._failed(passage, error)
        self._metrics.request(course.id, role, Outcome.of(response.status))
        return response

    async def _answer_about_jobs(self, passage: _Passage) -> web.StreamResponse:
        """Run a long change as a job, or answer a request about jobs."""
        course, role, formgrader = passage.course, passage.role, passage.formgrader
        request, user = passage.request, User(passage.identity.name, role.name.lower())
        if passage.rule.served:
            return await self._jobs_api.answer(request, formgrader, user, passage.segments)
        try:
            found = await run_as_job(request, self._jobs, course, user, passage.segments)
            response = self._reply(passage, found) if isinstance(found, Reply) else found
        except RedirectRefused as error:
            return self._failed(passage, error)
        self._metrics.request(course.id, role, Outcome.of(response.status))
        return response

    def _reply(self, passage: _Passage, reply: Reply) -> web.Response:
        """A formgrader's response to a long change. :raises RedirectRefused: it leads elsewhere"""
        added = self._policy(passage)(reply.headers.getall(NONCE_HEADER, ()))
        headers = to_client(reply.status, reply.headers, self._surroundings(passage), added=added)
        headers.popall("Content-Length", None)
        return web.Response(status=reply.status, headers=headers, body=reply.body)

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

    async def _record(
        self,
        passage: _Passage,
        body: Body | None,
        send: Callable[[_Send], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Record a change in the audit log and ``send`` it."""
        change = Change(
            at=self._clock.now(),
            course=passage.course.id,
            user=passage.identity.name,
            role=passage.role.name.lower(),
            action=passage.rule.action or OTHER,
            path="/".join(passage.segments),
        )

        async def forward(body: Body | None) -> web.StreamResponse:
            return await send(partial(self._forward, body=body))

        return await forward_change(passage.request, change, body, self._audit, forward)

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
                append = token_element(token) + self._page_element(passage, token)
                append += self._statistics_element(passage)
            if passage.course.mode is Mode.FULL:
                self._sign_in.set_xsrf_cookie(passage.request, passage.course.id, course_path)
        started = self._clock.monotonic()
        response = await forward_http(
            passage.request,
            upstream,
            passage.target.raw_target,
            head.to_upstream(upstream.token),
            Additions(
                self._surroundings(passage, upstream.origin),
                append=append,
                policy=self._policy(passage),
            ),
            body=body,
        )
        self._metrics.first_byte(self._clock.monotonic() - started)
        return response

    def _statistics_element(self, passage: _Passage) -> bytes:
        return statistics_element(
            passage.segments,
            passage.course.id,
            passage.identity.groups,
            admin=passage.role is Role.ADMIN,
            stats_url=self._site.stats_url,
        )

    def _page_element(self, passage: _Passage, token: str) -> bytes:
        """For a page that may have the XSRF token, the key to renew it with."""
        if not token:
            return b""
        course_id = passage.course.id
        key = page_key(self._audit.page_secret, passage.identity.name, course_id)
        return page_element(key, self._site.own_path(course_id))

    def _policy(self, passage: _Passage) -> Policy:
        """Makes the security headers of a response."""
        outside = passage.head.outside
        course_path = self._site.course_path(passage.course.id)
        return partial(
            security_headers,
            passage.rule.content,
            course_url=f"{outside.scheme}://{outside.host}{course_path}",
            frame_ancestors=self._site.frame_ancestors,
        )

    def _surroundings(self, passage: _Passage, *origins: str) -> Surroundings:
        """Where the response may redirect to: within the course, here or at these origins."""
        outside = passage.head.outside
        here = f"{outside.scheme}://{outside.host}"
        return Surroundings(passage.target, len(self._prefix) + 1, frozenset({here, *origins}))

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
        if isinstance(error, UpstreamUnreachable):
            if passage.rule.action is not None:
                return unreachable_change(passage.request, course, sent=error.sent)
            return unreachable_page(passage.request, course)
        return redirect_page(passage.request, course)
