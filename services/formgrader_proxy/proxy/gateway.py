"""The way of a request into a course's formgrader, and of its answer back.

read the target → know who asks → what they are to this course → whether that may pass →
note a change in the audit → forward. Each step can only end it, none can widen it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote

from aiohttp import web
from multidict import CIMultiDict

from common.clock import Clock
from common.errors import RequestError, StoreError
from common.oauth.request import is_websocket
from common.oauth.sign_in import Identity, SignIn
from common.web.error_pages import answer
from services.formgrader_proxy.access import Allowed, Content, Refusal, Role, judge, role_in
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.metrics import FormgraderMetrics, Outcome
from services.formgrader_proxy.modes import decide
from services.formgrader_proxy.proxy.bodies import field_names, small_body
from services.formgrader_proxy.proxy.forward_http import (
    Upstream,
    UpstreamUnreachable,
    forward_http,
)
from services.formgrader_proxy.proxy.forward_ws import UpstreamRefusedWebSocket, forward_ws
from services.formgrader_proxy.proxy.headers import HeadersRefused
from services.formgrader_proxy.proxy.links import changes, link_script
from services.formgrader_proxy.proxy.policy_headers import security_headers
from services.formgrader_proxy.proxy.request_head import RequestHead, read_head
from services.formgrader_proxy.proxy.target import PathRefused, Target, read_target
from services.formgrader_proxy.store.audit import Audit, Change
from services.formgrader_proxy.upstream.registry import Courses, Formgrader

log = logging.getLogger("formgrader")

#: How often the Hub is asked whether an open WebSocket may stay.
ASK_AGAIN_SECONDS = 30.0
#: Changes whose body's field names are kept, so that the audit tells a score from a comment.
_FIELDS_KEPT = frozenset({"grade", "comment"})
_READ = frozenset({"GET", "HEAD"})

IsAdmin = Callable[[Identity], bool]
#: The page shown while a formgrader starts: request, formgrader, answer.
WaitingPage = Callable[[web.Request, Formgrader], web.StreamResponse]


@dataclass(frozen=True)
class Places:
    """Where we are: the prefix of our pages, and the public address of the Hub."""

    prefix: str
    hub_url: str
    frame_ancestors: str = "'self'"


class Gateway:
    """Handles every request below a course's prefix."""

    def __init__(
        self,
        *,
        places: Places,
        courses: Courses,
        sign_in: SignIn,
        audit: Audit,
        metrics: FormgraderMetrics,
        is_admin: IsAdmin,
        waiting_page: WaitingPage,
        clock: Clock,
        look: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """``look`` reads the courses file again, for a course that is not known yet."""
        self._places = places
        self._own = tuple(unquote(part) for part in places.prefix.split("/") if part)
        self._courses = courses
        self._sign_in = sign_in
        self._audit = audit
        self._metrics = metrics
        self._is_admin = is_admin
        self._waiting_page = waiting_page
        self._clock = clock
        self._look = look

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The answer to a request below ``<prefix><course>/``."""
        try:
            target = read_target(request.raw_path)
            head = read_head(
                request.method, request.raw_headers, request.remote or "", request.scheme
            )
            head.check()
        except (PathRefused, HeadersRefused) as refused:
            self._metrics.refused(refused.fault.value)
            log.warning("refused: %s (%s)", refused, request.method)
            return answer(request, 400, str(refused))
        course_id, segments = self._below_prefix(target)
        formgrader = self._courses.get(course_id)
        if formgrader is None:
            # Who is not signed in is not told which courses there are.
            await self._sign_in.require(request, read_form=False)
            if self._look is not None:
                await self._look()  # it may have been written since the last look
            formgrader = self._courses.get(course_id)
        if formgrader is None:
            return answer(request, 404, "There is no such course here.")
        return await self._enter(request, head, target, segments, formgrader)

    def _below_prefix(self, target: Target) -> tuple[str, tuple[str, ...]]:
        """The course's id and the segments below its address."""
        own = self._own
        if target.segments[: len(own)] != own or len(target.segments) == len(own):
            return "", ()
        return target.segments[len(own)], target.segments[len(own) + 1 :]

    async def _enter(
        self,
        request: web.Request,
        head: RequestHead,
        target: Target,
        segments: tuple[str, ...],
        formgrader: Formgrader,
    ) -> web.StreamResponse:
        course = formgrader.course
        # A WebSocket stays open for long, so it is decided like a change.
        websocket = is_websocket(request)
        writes = request.method not in _READ or websocket
        listed = judge(request.method, segments, Role.ADMIN).allowed
        static = listed is not None and listed.content is Content.STATIC
        identity = await self._sign_in.require(
            request, fresh=writes, read_form=False, own_page=not static
        )
        role = self._role(identity, course)
        if role is Role.NOBODY:
            return self._refuse(request, course, role, 403, "You do not grade this course.")
        allowed = decide(request.method, segments, role, course.mode)
        if isinstance(allowed, Refusal):
            status, text = _REFUSALS[allowed]
            self._metrics.refused(allowed.value)
            return self._refuse(request, course, role, status, text)
        upstream = formgrader.ready()
        if upstream is None:
            self._metrics.request(course.id, role, Outcome.STARTING)
            return self._waiting_page(request, formgrader)
        passage = _Passage(
            request, head, target, segments, course, identity, role, allowed, upstream, websocket
        )
        return await self._pass(passage, formgrader)

    def _refuse(
        self, request: web.Request, course: Course, role: Role, status: int, text: str
    ) -> web.Response:
        self._metrics.request(course.id, role, Outcome.REFUSED)
        return answer(request, status, text)

    async def _pass(self, passage: "_Passage", formgrader: Formgrader) -> web.StreamResponse:
        """Forward, with the formgrader marked as in use for as long as that takes."""
        managed = formgrader.managed
        if managed is not None:
            managed.begin()
        try:
            if passage.allowed.action is None:
                response = await self._forward(passage)
            else:
                # A change goes to its end though its browser is gone: half a grade is none,
                # and the audit is to say how it ended.
                response = await asyncio.shield(self._change(passage))
        except UpstreamUnreachable as error:
            return self._away(passage, formgrader, error)
        finally:
            if managed is not None:
                managed.end()
        self._metrics.request(passage.course.id, passage.role, Outcome.of(response.status))
        return response

    async def _change(self, passage: "_Passage") -> web.StreamResponse:
        """Forward a change between the two halves of its line in the audit."""
        body = None
        fields: tuple[str, ...] = ()
        action = passage.allowed.action or ""
        if action in _FIELDS_KEPT:
            body = await small_body(passage.request)
            if body is None:
                return answer(passage.request, 413, "A score or a comment is never so large.")
            fields = field_names(body)
        try:
            number = await self._audit.begin(
                Change(
                    at=self._clock.now(),
                    course=passage.course.id,
                    user=passage.identity.name,
                    role=passage.role.name.lower(),
                    action=action,
                    path="/".join(passage.segments),
                    fields=fields,
                )
            )
        except StoreError as error:
            log.error("%s; the change is not made", error)
            text = "The record of changes cannot be written now, so nothing was changed."
            return answer(passage.request, 503, text, title="Not saved")
        response = await self._forward(passage, body)
        try:
            await self._audit.finish(number, response.status)
        except StoreError as error:
            log.error("line %d of the audit is left open: %s", number, error)
        return response

    async def _forward(self, passage: "_Passage", body: bytes | None = None) -> web.StreamResponse:
        request, content = passage.request, passage.allowed.content
        outside = passage.head.outside
        headers = passage.head.to_upstream(passage.upstream.token)
        if passage.websocket:
            return await self._websocket(passage, headers)
        if content is Content.PAGE:
            self._sign_in.xsrf_token(request)  # its cookie is what nbgrader's scripts read
        course_url = f"{outside.scheme}://{outside.host}{self._course_path(passage.course)}"
        ancestors = self._places.frame_ancestors
        added = security_headers(content, course_url=course_url, frame_ancestors=ancestors)
        started = self._clock.monotonic()
        append = b""
        if changes(passage.segments, content):
            append = link_script(self._lab_url(passage.course))
        response = await forward_http(
            request,
            passage.upstream,
            passage.target.raw_target,
            headers,
            added=added,
            body=body,
            append=append,
        )
        self._metrics.first_byte(self._clock.monotonic() - started)
        return response

    async def _websocket(
        self, passage: "_Passage", headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        with self._metrics.websocket():
            try:
                return await forward_ws(
                    passage.request,
                    passage.upstream,
                    passage.target.raw_target,
                    headers,
                    until=partial(self._until_out, passage),
                )
            except UpstreamRefusedWebSocket as error:
                return answer(passage.request, 502 if error.status >= 500 else error.status)

    async def _until_out(self, passage: "_Passage") -> None:
        """Return when who opened the WebSocket may no longer; what the Hub cannot say, stays."""
        while True:
            await self._clock.sleep(ASK_AGAIN_SECONDS)
            try:
                found = await self._sign_in.identify(passage.request, fresh=True, read_form=False)
            except RequestError as error:
                log.warning("a WebSocket stays open, the Hub does not answer: %s", error)
                continue
            if found is None or self._role(found, passage.course) < passage.role:
                return

    def _role(self, identity: Identity, course: Course) -> Role:
        return role_in(identity.groups, course.groups, is_admin=self._is_admin(identity))

    def _away(
        self, passage: "_Passage", formgrader: Formgrader, error: UpstreamUnreachable
    ) -> web.StreamResponse:
        course = passage.course
        self._metrics.request(course.id, passage.role, Outcome.AWAY)
        log.warning("course %s: the formgrader cannot be reached: %s", course.id, error)
        text = "Its formgrader went away. Reload the page in a moment."
        if not course.managed:
            text = f"No formgrader answers for it. Tell whoever runs the one of {course.id}."
        return answer(
            passage.request, 502, text, title=f"{course.title} cannot be graded right now"
        )

    def _course_path(self, course: Course) -> str:
        return f"{self._places.prefix}{course.id}/"

    def _lab_url(self, course: Course) -> str | None:
        if course.lab_directory is None:
            return None
        return f"{self._places.hub_url}user-redirect/lab/tree/{course.lab_directory}/"


class _Passage(NamedTuple):
    """A request that may pass, with all that was found out about it."""

    request: web.Request
    head: RequestHead
    target: Target
    segments: tuple[str, ...]
    course: Course
    identity: Identity
    role: Role
    allowed: Allowed
    upstream: Upstream
    websocket: bool


_REFUSALS = {
    Refusal.NOT_LISTED: (404, "nbgrader's formgrader has no such page."),
    Refusal.METHOD: (405, "The page is there, but not for this kind of request."),
    Refusal.ROLE: (403, "Only an instructor of this course may do this."),
}
