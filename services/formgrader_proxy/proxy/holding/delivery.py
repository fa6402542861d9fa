"""Delivers one change: permitted when its formgrader runs, forwarded once, repeated if harmless."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from aiohttp import web

from services.formgrader_proxy.metrics import Held
from services.formgrader_proxy.proxy.holding.hold import HeldChange
from services.formgrader_proxy.proxy.holding.not_saved import NotSaved
from services.formgrader_proxy.upstream.endpoint import Upstream, UpstreamUnreachable, Work
from services.formgrader_proxy.upstream.formgrader import Formgrader

#: Changes, by their name in the audit log, that have the same effect if they are made twice.
IDEMPOTENT = frozenset({"grade", "comment", "assignment", "student"})
#: Seconds that a change waits for a process without other work, before it is queued in a busy one.
BUSY_SECONDS = 60.0
#: Seconds until a formgrader that broke off a change is looked for again.
AFTER_DEATH_SECONDS = 0.2

_NOT_RUNNING = "The formgrader of this course is not running."
_BROKE_OFF = "The formgrader stopped while it handled the change."


class Permitted(Protocol):
    """A change that may be made now, as the gateway describes it."""

    @property
    def formgrader(self) -> Formgrader: ...


_P = TypeVar("_P", bound=Permitted)


class Delivery(Generic[_P]):
    """The way of one change to a formgrader.

    ``permit`` identifies the sender and finds the course again: a sign-in, a group or the courses
    file may have changed while the change waited.
    """

    def __init__(
        self, held: HeldChange, permit: Callable[[], Awaitable[_P]], *, idempotent: bool
    ) -> None:
        self._held = held
        self._permit = permit
        self._idempotent = idempotent

    async def admit(self) -> tuple[_P, Upstream]:
        """Wait until the change is permitted and its formgrader runs, both at the same time.

        :raises NotSaved: it would have to wait for too long
        :raises UpstreamUnreachable: an external formgrader has no readable token
        """
        queued = False
        while True:
            passage = await self._held.despite_hub(self._permit)
            formgrader = passage.formgrader
            if formgrader.busy and not queued:
                queued = True
                with suppress(UpstreamUnreachable):  # the course was just removed: see below
                    await formgrader.until_ready(Work.PAGES, BUSY_SECONDS)
                continue
            try:
                upstream = formgrader.ready()
            except UpstreamUnreachable:
                if not formgrader.course.managed:
                    raise
                # The courses file has just replaced the course.
                await self._held.pause(AFTER_DEATH_SECONDS, _NOT_RUNNING)
                continue
            if upstream is not None:
                return passage, upstream
            await self._held.wait(self._until_ready(formgrader), _NOT_RUNNING)

    async def _until_ready(self, formgrader: Formgrader) -> None:
        try:
            if await formgrader.until_ready(Work.PAGES, self._held.left) is not None:
                return
        except UpstreamUnreachable:
            pass  # replaced meanwhile: the new one is found by permitting again
        await self._held.clock.sleep(AFTER_DEATH_SECONDS)

    async def send(
        self,
        passage: _P,
        upstream: Upstream,
        forward: Callable[[_P, Upstream], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Forward the change, and once more if the formgrader stopped and repeating is harmless.

        :raises NotSaved: it was not made, or that is unknown
        :raises UpstreamUnreachable: an external formgrader did not respond
        """
        sent = False
        while True:
            try:
                with passage.formgrader.in_use(upstream):
                    return await forward(passage, upstream)
            except UpstreamUnreachable as error:
                if not passage.formgrader.course.managed:
                    raise
                if error.sent and (sent or not self._idempotent):
                    raise NotSaved(Held.UNKNOWN, f"{_BROKE_OFF} Reload the page to see.") from error
                sent = sent or error.sent
            passage, upstream = await self._again(sent=sent)

    async def _again(self, *, sent: bool) -> tuple[_P, Upstream]:
        try:
            await self._held.pause(AFTER_DEATH_SECONDS, _NOT_RUNNING)
            admitted = await self.admit()
        except NotSaved as error:
            if not sent:
                raise
            raise NotSaved(Held.UNKNOWN, f"{_BROKE_OFF} {error}") from error
        if sent:
            self._held.outcome = Held.RESENT
        return admitted
