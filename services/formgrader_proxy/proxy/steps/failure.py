"""The response if the formgrader's cannot be returned."""

import logging

from aiohttp import web

from services.formgrader_proxy.metrics import Outcome
from services.formgrader_proxy.proxy.response_headers import RedirectRefused
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.proxy.steps.passage import Passage
from services.formgrader_proxy.upstream.endpoint import UpstreamUnreachable
from services.formgrader_proxy.web.refusals import (
    redirect_page,
    unreachable_change,
    unreachable_page,
)

log = logging.getLogger("formgrader")


def failed(
    parts: Parts, passage: Passage, error: UpstreamUnreachable | RedirectRefused
) -> web.StreamResponse:
    """Count and log a failed request."""
    course, away = passage.course, isinstance(error, UpstreamUnreachable)
    outcome = Outcome.AWAY if away else Outcome.SERVER_ERROR
    parts.metrics.request(course.id, passage.role, outcome)
    what = "cannot be reached" if away else "was not trusted"
    log.warning("course %s: the formgrader %s: %s", course.id, what, error)
    if isinstance(error, UpstreamUnreachable):
        if passage.rule.action is not None:
            return unreachable_change(passage.request, course, sent=error.sent)
        return unreachable_page(passage.request, course)
    return redirect_page(passage.request, course)
