"""Requests about jobs, and nbgrader's buttons for long changes, which are run as jobs."""

from aiohttp import web

from services.formgrader_proxy.jobs.jobs import User
from services.formgrader_proxy.jobs.send import Reply
from services.formgrader_proxy.metrics import Outcome
from services.formgrader_proxy.proxy.holding.hold import HeldChange, Holding
from services.formgrader_proxy.proxy.long_actions import run_as_job
from services.formgrader_proxy.proxy.policy_headers import NONCE_HEADER
from services.formgrader_proxy.proxy.request_body import Body
from services.formgrader_proxy.proxy.response_headers import RedirectRefused, to_client
from services.formgrader_proxy.proxy.steps.failure import failed
from services.formgrader_proxy.proxy.steps.forward import policy_of, surroundings_of
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.proxy.steps.passage import Passage, Permit
from services.formgrader_proxy.web.jobs.api import JobsApi


class JobStep:
    """Answers what is about jobs."""

    def __init__(self, parts: Parts, holding: Holding) -> None:
        self._parts = parts
        self._holding = holding
        self._api = JobsApi(parts.site, parts.jobs, parts.clock)

    async def start(
        self, passage: Passage, body: Body | None, permit: Permit, before: HeldChange
    ) -> web.StreamResponse:
        """Run a long change as a job. Its requests have no body, so this one is not used."""
        if body is not None:
            body.close()
        user = passage.identity.name
        with self._holding.change(passage.course.id, 0, before.spent, user) as held:
            passage = await held.despite_hub(permit)
        self._parts.activity.seen(passage.course.id, passage.identity.name)
        return await self.answer(passage)

    async def answer(self, passage: Passage) -> web.StreamResponse:
        """Run a long change as a job, or answer a request about jobs."""
        course, role, formgrader = passage.course, passage.role, passage.formgrader
        request, user = passage.request, User(passage.identity.name, role.name.lower())
        if passage.rule.served:
            return await self._api.answer(request, formgrader, user, passage.segments)
        jobs, metrics = self._parts.jobs, self._parts.metrics
        try:
            found = await run_as_job(request, jobs, course, user, passage.segments)
            response = self._reply(passage, found) if isinstance(found, Reply) else found
        except RedirectRefused as error:
            return failed(self._parts, passage, error)
        metrics.request(course.id, role, Outcome.of(response.status))
        return response

    def _reply(self, passage: Passage, reply: Reply) -> web.Response:
        """A formgrader's response to a long change. :raises RedirectRefused: it leads elsewhere"""
        added = policy_of(self._parts, passage)(reply.headers.getall(NONCE_HEADER, ()))
        surroundings = surroundings_of(self._parts, passage)
        headers = to_client(reply.status, reply.headers, surroundings, added=added)
        headers.popall("Content-Length", None)
        return web.Response(status=reply.status, headers=headers, body=reply.body)
