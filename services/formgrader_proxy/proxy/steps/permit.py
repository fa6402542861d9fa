"""Who sends a request, and whether they may."""

from aiohttp import web

from common.oauth.request import is_websocket
from common.oauth.sign_in import Exposure, Identity
from common.web.error_pages import error_response
from services.formgrader_proxy.access import Refusal, Role
from services.formgrader_proxy.allow_list import Rule, check_role, find_rule
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.metrics import Outcome
from services.formgrader_proxy.proxy.additions.xsrf import exposure_of
from services.formgrader_proxy.proxy.request_head import RequestHead
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.proxy.steps.passage import Passage, Refused
from services.formgrader_proxy.proxy.target import Target
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.web.refusals import refusal_page

#: The methods of requests that change nothing.
READ = frozenset({"GET", "HEAD"})


async def permit(
    parts: Parts, request: web.Request, target: Target, head: RequestHead, *, fresh: bool
) -> Passage:
    """Who sends the request, and whether they may. ``fresh``: as of now, according to the Hub.

    :raises Refused: with the response
    """
    course_id, segments = _split(target, parts.prefix)
    formgrader = parts.formgraders.get(course_id) or await _look_up(parts, request, course_id)
    if formgrader is None:
        raise Refused(error_response(request, 404, "This service has no such course.", saved=False))
    course = formgrader.course

    # Who: signed in, and sent by a page that the rule accepts requests from.
    rule = find_rule(request.method, segments, course.mode, target.query)
    identity = await _identify(parts, request, course, rule, fresh=fresh)

    # May: the user's role in this course is high enough for the rule.
    role = parts.role(identity, course)
    if role is Role.NOBODY:
        response = error_response(request, 403, "You do not grade this course.")
        raise _refused(parts, course, role, response)
    if segments in {(), ("",)} and request.method in READ:
        # The address of a course as the documentation gives it. Jupyter has nothing else there.
        raise web.HTTPFound(f"{parts.site.course_path(course.id)}formgrader")
    rule = check_role(rule, role)
    if isinstance(rule, Rule) and is_websocket(request) and not rule.websocket:
        rule = Refusal.WEBSOCKET
    if isinstance(rule, Refusal):
        parts.metrics.refused(rule.value)
        raise _refused(parts, course, role, refusal_page(request, rule, segments))
    return Passage(request, target, head, segments, course, rule, identity, role, formgrader)


def _split(target: Target, prefix: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The course's id, and the segments below its prefix."""
    segments, depth = target.segments, len(prefix)
    if segments[:depth] != prefix or len(segments) == depth:
        return "", ()
    return segments[depth], segments[depth + 1 :]


async def _look_up(parts: Parts, request: web.Request, course_id: str) -> Formgrader | None:
    """Read the courses file again: the course may have been added since the last time.

    Only for a signed-in user, because the answer reveals which courses there are.
    """
    await parts.sign_in.require(request, read_form=False)
    await parts.formgraders.refresh()
    return parts.formgraders.get(course_id)


async def _identify(
    parts: Parts, request: web.Request, course: Course, rule: Rule | Refusal, *, fresh: bool
) -> Identity:
    # A WebSocket stays open for long, so it is checked like a change.
    exposure = Exposure.PRIVATE
    if isinstance(rule, Rule):
        exposure = exposure_of(rule.content, course.mode)
    return await parts.sign_in.require(
        request,
        fresh=fresh or is_websocket(request),
        read_form=False,
        exposure=exposure,
        area=course.id,
    )


def _refused(parts: Parts, course: Course, role: Role, response: web.StreamResponse) -> Refused:
    parts.metrics.request(course.id, role, Outcome.REFUSED)
    return Refused(response)
