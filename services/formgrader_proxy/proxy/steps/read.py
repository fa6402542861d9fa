"""Reads: forwarded when the formgrader runs. Until then, a page is shown that waits for it."""

from aiohttp import web

from services.formgrader_proxy.metrics import Outcome
from services.formgrader_proxy.proxy.response_headers import RedirectRefused
from services.formgrader_proxy.proxy.steps.failure import failed
from services.formgrader_proxy.proxy.steps.forward import forward
from services.formgrader_proxy.proxy.steps.jobs import JobStep
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.proxy.steps.passage import Passage
from services.formgrader_proxy.upstream.endpoint import UpstreamUnreachable, Work
from services.formgrader_proxy.web.waiting import waiting_page

#: Seconds that a request waits for its turn.
TURN_SECONDS = 60.0


async def answer_read(parts: Parts, jobs: JobStep, passage: Passage) -> web.StreamResponse:
    """Forward a read, or answer one about jobs."""
    course, role, formgrader = passage.course, passage.role, passage.formgrader
    parts.activity.seen(course.id, passage.identity.name)
    try:
        if passage.rule.served:
            return await jobs.answer(passage)
        upstream = formgrader.ready()
        if upstream is not None:  # it may be busy, and another process free soon
            upstream = await formgrader.until_ready(Work.PAGES, TURN_SECONDS)
        if upstream is None:
            parts.metrics.request(course.id, role, Outcome.STARTING)
            return waiting_page(passage.request, formgrader, role)
        with formgrader.in_use(upstream):
            response = await forward(parts, passage, upstream, None)
    except (UpstreamUnreachable, RedirectRefused) as error:
        return failed(parts, passage, error)
    parts.metrics.request(course.id, role, Outcome.of(response.status))
    return response
