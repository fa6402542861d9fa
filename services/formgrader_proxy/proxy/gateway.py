"""The path of a request through the proxy, from top to bottom in :meth:`Gateway.handle`.

target → who → may → forward → audit → answer. Each step can end a request; none can extend what
an earlier step allowed. The steps themselves are in :mod:`.steps`.
"""

import asyncio
import logging
from functools import partial

from aiohttp import web

from common.web.error_pages import error_response
from services.formgrader_proxy.allow_list import OTHER
from services.formgrader_proxy.jobs.requests import ACTIONS
from services.formgrader_proxy.proxy.headers import HeadersRefused
from services.formgrader_proxy.proxy.holding.hold import Holding
from services.formgrader_proxy.proxy.holding.not_saved import NotSaved
from services.formgrader_proxy.proxy.request_body import FULL, LISTED, BodyRefused, read_body
from services.formgrader_proxy.proxy.request_head import HeadCache, RequestHead
from services.formgrader_proxy.proxy.steps.deliver import DeliverStep
from services.formgrader_proxy.proxy.steps.jobs import JobStep
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.proxy.steps.passage import Refused
from services.formgrader_proxy.proxy.steps.permit import READ, permit
from services.formgrader_proxy.proxy.steps.read import answer_read
from services.formgrader_proxy.proxy.target import PathRefused, Target, read_target

log = logging.getLogger("formgrader")


class Gateway:
    """Handles every request below a course's prefix."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._heads = HeadCache(parts.clock)
        self._holding = Holding(parts.clock, parts.metrics, parts.stopping)
        self._jobs = JobStep(parts, self._holding)
        self._changes = DeliverStep(parts, self._holding)

    def setup(self, app: web.Application) -> None:
        """Add the route for everything below the prefix; more specific routes come first."""
        app.router.add_route("*", self._parts.site.prefix + "{tail:.+}", self.handle)
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
            self._parts.metrics.refused(refused.fault.value)
            log.warning("refused: %s (%s)", refused, request.method)
            status = refused.status if isinstance(refused, HeadersRefused) else 400
            return error_response(request, status, str(refused))
        try:
            if request.method in READ:
                passage = await permit(self._parts, request, target, head, fresh=False)
                return await answer_read(self._parts, self._jobs, passage)
            return await self._change(request, target, head)
        except Refused as refused:
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
        permit_it = partial(permit, self._parts, request, target, head)
        with self._holding.change("", 0) as held:
            passage = await held.despite_hub(partial(permit_it, fresh=False))
        body = await read_body(request, FULL if passage.rule.action == OTHER else LISTED)
        is_job = passage.rule.served or passage.rule.action in ACTIONS
        deliver = self._jobs.start if is_job else self._changes.deliver
        # Completed even if the browser disconnects now.
        delivery = asyncio.ensure_future(
            deliver(passage, body, partial(permit_it, fresh=True), held)
        )
        try:
            return await asyncio.shield(delivery)
        except asyncio.CancelledError:
            delivery.add_done_callback(_log_failure)
            raise


def _log_failure(delivery: "asyncio.Future[web.StreamResponse]") -> None:
    """Log why a change was not made if its browser has disconnected and gets no response."""
    if not delivery.cancelled() and (error := delivery.exception()) is not None:
        reason = str(error) or type(error).__name__
        log.warning("a change was not saved, and its browser has disconnected: %s", reason)
