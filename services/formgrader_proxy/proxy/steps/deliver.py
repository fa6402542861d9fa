"""Changes: held until their formgrader runs, recorded in the audit log and forwarded."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web

from services.formgrader_proxy.allow_list import OTHER
from services.formgrader_proxy.metrics import Held, Outcome
from services.formgrader_proxy.proxy.changes import forward_change
from services.formgrader_proxy.proxy.holding.delivery import IDEMPOTENT, Delivery
from services.formgrader_proxy.proxy.holding.hold import HeldChange, Holding
from services.formgrader_proxy.proxy.holding.not_saved import NotSaved
from services.formgrader_proxy.proxy.request_body import Body
from services.formgrader_proxy.proxy.response_headers import RedirectRefused
from services.formgrader_proxy.proxy.steps.failure import failed
from services.formgrader_proxy.proxy.steps.forward import forward
from services.formgrader_proxy.proxy.steps.parts import Parts
from services.formgrader_proxy.proxy.steps.passage import Passage, Permit
from services.formgrader_proxy.store.audit import Change
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable

#: Forwards a change once.
_Send = Callable[[Passage, Upstream], Awaitable[web.StreamResponse]]


class DeliverStep:
    """Delivers changes to formgraders."""

    def __init__(self, parts: Parts, holding: Holding) -> None:
        self._parts = parts
        self._holding = holding

    async def deliver(
        self, passage: Passage, body: Body | None, permit: Permit, before: HeldChange
    ) -> web.StreamResponse:
        """Forward a change when its formgrader runs. ``before`` is how it was held until now.

        :raises NotSaved: it was not made, or that is unknown
        """
        course_id, size = passage.course.id, body.size if body is not None else 0
        metrics = self._parts.metrics
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
                self._parts.activity.seen(course_id, passage.identity.name)
                response = await self._record(
                    passage, body, partial(delivery.send, passage, upstream)
                )
            except (UpstreamUnreachable, RedirectRefused) as error:
                return failed(self._parts, passage, error)
            except NotSaved as error:
                unknown = error.outcome is Held.UNKNOWN
                outcome = Outcome.AWAY if unknown else Outcome.STARTING
                metrics.request(course_id, passage.role, outcome)
                raise
            metrics.request(course_id, passage.role, Outcome.of(response.status))
            return response

    async def _record(
        self,
        passage: Passage,
        body: Body | None,
        send: Callable[[_Send], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Record a change in the audit log and ``send`` it."""
        change = Change(
            at=self._parts.clock.now(),
            course=passage.course.id,
            user=passage.identity.name,
            role=passage.role.name.lower(),
            action=passage.rule.action or OTHER,
            path="/".join(passage.segments),
        )

        async def forward_body(body: Body | None) -> web.StreamResponse:
            return await send(partial(forward, self._parts, body=body))

        return await forward_change(passage.request, change, body, self._parts.audit, forward_body)
