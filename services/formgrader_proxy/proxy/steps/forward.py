"""Forwards a permitted request, with what the proxy adds to the response."""

from collections.abc import Callable, Sequence
from functools import partial

from aiohttp import web

from common.oauth.request import is_websocket
from services.formgrader_proxy.access import Content, Mode, Role
from services.formgrader_proxy.proxy.additions.notebook_links import appended_script
from services.formgrader_proxy.proxy.additions.statistics_link import statistics_element
from services.formgrader_proxy.proxy.additions.xsrf import token_element, token_script
from services.formgrader_proxy.proxy.forward_http import Additions, forward_http
from services.formgrader_proxy.proxy.policy_headers import security_headers
from services.formgrader_proxy.proxy.request_body import Body
from services.formgrader_proxy.proxy.response_headers import Surroundings
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.proxy.steps.passage import Passage
from services.formgrader_proxy.proxy.steps.websocket import forward_websocket
from services.formgrader_proxy.upstream.endpoint import Upstream
from services.formgrader_proxy.web.page_keys import page_element, page_key

#: Makes security headers from the nonces in a response.
Policy = Callable[[Sequence[str]], tuple[tuple[str, str], ...]]


async def forward(
    parts: Parts, passage: Passage, upstream: Upstream, body: Body | None
) -> web.StreamResponse:
    """Send a request to the formgrader and return its response.

    :raises RedirectRefused: it leads outside the course
    :raises UpstreamUnreachable: there was none
    """
    if is_websocket(passage.request):
        return await forward_websocket(parts, passage, upstream)
    append = _appended(parts, passage)
    started = parts.clock.monotonic()
    response = await forward_http(
        passage.request,
        upstream,
        passage.target.raw_target,
        passage.head.to_upstream(upstream.token),
        Additions(
            surroundings_of(parts, passage, upstream.origin),
            append=append,
            policy=policy_of(parts, passage),
        ),
        body=body,
    )
    parts.metrics.first_byte(parts.clock.monotonic() - started)
    return response


def _appended(parts: Parts, passage: Passage) -> bytes:
    """What follows the response's body. In the mode ``full``, also sets the XSRF cookie."""
    request, course, segments = passage.request, passage.course, passage.segments
    if passage.rule.content is not Content.PAGE:
        append = appended_script(segments, course, parts.site.hub_url)
        return append + token_script(segments)
    append = b""
    if segments[:1] == ("formgrader",):
        token = parts.sign_in.xsrf_token(request, course.id)
        append = token_element(token) + _page_element(parts, passage, token)
        append += _statistics_element(parts, passage)
    if course.mode is Mode.FULL:
        course_path = parts.site.course_path(course.id)
        parts.sign_in.set_xsrf_cookie(request, course.id, course_path)
    return append


def _statistics_element(parts: Parts, passage: Passage) -> bytes:
    return statistics_element(
        passage.segments,
        passage.course.id,
        passage.identity.groups,
        admin=passage.role is Role.ADMIN,
        stats_url=parts.site.stats_url,
    )


def _page_element(parts: Parts, passage: Passage, token: str) -> bytes:
    """For a page that may have the XSRF token, the key to renew it with."""
    if not token:
        return b""
    course_id = passage.course.id
    key = page_key(parts.audit.page_secret, passage.identity.name, course_id)
    return page_element(key, parts.site.own_path(course_id))


def policy_of(parts: Parts, passage: Passage) -> Policy:
    """Makes the security headers of a response."""
    outside = passage.head.outside
    course_path = parts.site.course_path(passage.course.id)
    return partial(
        security_headers,
        passage.rule.content,
        course_url=f"{outside.scheme}://{outside.host}{course_path}",
        frame_ancestors=parts.site.frame_ancestors,
    )


def surroundings_of(parts: Parts, passage: Passage, *origins: str) -> Surroundings:
    """Where the response may redirect to: within the course, here or at these origins."""
    outside = passage.head.outside
    here = f"{outside.scheme}://{outside.host}"
    return Surroundings(passage.target, len(parts.prefix) + 1, frozenset({here, *origins}))
