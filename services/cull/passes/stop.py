"""Stops one candidate's servers, and deletes its user: re-read, decide again, act, follow.

Nothing here knows how many stops run at once, or what happens to the results.
"""

import logging
from collections.abc import AsyncGenerator

from msgspec.structs import replace

from common.clock import Clock
from common.errors import HubError, HubNotFound
from common.hub.client import HubClient, StopOutcome
from common.hub.models import Server, User
from services.cull.evaluator import PolicyEvaluator
from services.cull.passes.listing.survey import Candidate, DueServer
from services.cull.passes.own_stops import OwnStops
from services.cull.passes.reread import Reread
from services.cull.passes.results import Outcome, TargetResult
from services.cull.policy.model import Action, Decision, Reason, is_running
from services.cull.settings import CullSettings

log = logging.getLogger("cull")

_OUTCOMES = {
    StopOutcome.STOPPED: Outcome.DONE,
    StopOutcome.PENDING: Outcome.SLOW,
    StopOutcome.GONE: Outcome.GONE,
}


class Stopper:
    """Carries out decisions that are still right at the moment of the stop."""

    def __init__(
        self,
        hub: HubClient,
        evaluator: PolicyEvaluator,
        reread: Reread,
        own_stops: OwnStops,
        settings: CullSettings,
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._evaluator = evaluator
        self._reread = reread
        self._own_stops = own_stops
        self._settings = settings
        self._clock = clock

    def stop(self, candidate: Candidate) -> AsyncGenerator[TargetResult]:
        """Stop the servers that are due, and delete the user if they are due as well.

        Yields each result as soon as it is known, since a later step may raise HubError. A
        result that is SLOW has to be given to :meth:`follow`.
        """
        if self._settings.cull_users:
            return self._stop_user(candidate)
        return self._stop_servers(candidate)

    async def follow(self, candidate: Candidate, slow: TargetResult) -> TargetResult:
        """Poll a server whose stop the Hub accepted (202) until it has stopped.

        The outcome is DONE, FAILED or OVERDUE. Errors of the Hub do not end the polling.
        """
        name = slow.server or ""
        started = next(due.started for due in candidate.servers if due.name == name)
        settings, clock = self._settings.follow, self._clock
        deadline = clock.monotonic() + settings.deadline
        pause = settings.first_pause
        while clock.monotonic() < deadline:
            await clock.sleep(pause)
            pause = min(pause * 1.5, settings.max_pause)
            try:
                fresh = await self._hub.server(slow.user, name)
            except HubError as error:
                log.debug("cannot check whether %s is stopping: %s", slow.target, error)
                continue
            if fresh is None or fresh.started != started or not (fresh.ready or fresh.pending):
                self._own_stops.finished(slow.user)
                return replace(slow, outcome=Outcome.DONE)
            if not fresh.pending:
                detail = "the Hub gave up stopping it"
                return replace(slow, outcome=Outcome.FAILED, detail=detail)
        detail = f"the Hub has been stopping it for more than {settings.deadline:.0f} s"
        return replace(slow, outcome=Outcome.OVERDUE, detail=detail)

    async def _stop_servers(self, candidate: Candidate) -> AsyncGenerator[TargetResult]:
        user = candidate.user
        for due in candidate.servers:
            fresh = await self._reread.server(user.name, due.name)
            yield await self._stop_server(user, due, fresh)

    async def _stop_user(self, candidate: Candidate) -> AsyncGenerator[TargetResult]:
        """The user is read first: after a stop the Hub no longer knows their own activity."""
        name = candidate.user.name
        try:
            user = await self._hub.user(name)
        except HubNotFound:
            yield TargetResult.of(name, *candidate.first, Outcome.GONE)
            return
        user = self._own_stops.corrected(user)
        stopped = 0
        for number, due in enumerate(candidate.servers):
            # The user's model is current only for the first server: a stop takes time.
            fresh = await self._hub.server(name, due.name) if number else user.servers.get(due.name)
            result = await self._stop_server(user, due, fresh)
            if result.outcome in (Outcome.DONE, Outcome.SLOW):
                self._own_stops.stopped(name, user.last_activity)
            stopped += result.outcome is Outcome.DONE
            yield result
        if candidate.delete is not None and stopped == len(candidate.servers):
            if stopped:
                try:
                    user = self._own_stops.corrected(await self._hub.user(name))
                except HubNotFound:
                    yield TargetResult.of(name, None, candidate.delete, Outcome.GONE)
                    return
            yield await self._delete_user(user, candidate.delete)

    async def _stop_server(self, user: User, due: DueServer, fresh: Server | None) -> TargetResult:
        """Stop a server unless its re-read model, ``fresh``, shows that it is no longer due."""

        def skipped(outcome: Outcome, detail: str = "") -> TargetResult:
            return TargetResult.of(user.name, due.name, due.decision, outcome, detail)

        if fresh is None or (fresh.stopped and not fresh.pending):
            return skipped(Outcome.GONE)
        if fresh.pending:
            return skipped(Outcome.NO_LONGER_DUE, "it is starting or stopping")
        if fresh.started != due.started:
            return skipped(Outcome.NO_LONGER_DUE, "it was restarted")
        decision = await self._evaluator.decide_server(user, fresh)
        if decision.action not in (Action.STOP, Action.REMOVE):
            return skipped(Outcome.NO_LONGER_DUE, f"now: {decision.reason.value}")
        remove = decision.action is Action.REMOVE
        outcome = _OUTCOMES[await self._hub.stop_server(user.name, due.name, remove=remove)]
        return TargetResult.of(user.name, due.name, decision, outcome)

    async def _delete_user(self, user: User, listed: Decision) -> TargetResult:
        """Delete a user, just read, who is still due and has no running server."""
        name = user.name
        reason: Reason | None = None
        decision = listed
        if any(is_running(server) for server in user.servers.values()):
            reason = Reason.SERVERS_RUNNING
        else:
            decision = await self._evaluator.decide_user(replace(user, servers={}))
            if decision.action is not Action.DELETE_USER:
                reason = decision.reason
        if reason is not None:
            detail = f"now: {reason.value}"
            return TargetResult.of(name, None, listed, Outcome.NO_LONGER_DUE, detail)
        deleted = await self._hub.delete_user(name)
        self._own_stops.forget(name)
        return TargetResult.of(name, None, decision, Outcome.DONE if deleted else Outcome.GONE)
