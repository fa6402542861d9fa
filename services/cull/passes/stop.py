"""Stops one server, or deletes one user: read again, decide again, act, follow to the end."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from common.clock import Clock
from common.errors import HubError, HubNotFound
from common.hub.client import HubClient, StopOutcome
from common.hub.models import Server, User
from services.cull.passes.candidates import Candidate, Due, OwnStop, is_there, without_own_stop
from services.cull.passes.judge import Judge
from services.cull.passes.reread import Reread
from services.cull.passes.results import Done, Outcome
from services.cull.passes.slots import Slot
from services.cull.policy.model import Action, Decision, Reason

log = logging.getLogger("cull")

#: Own stops are remembered for so many users, the newest. It is a bound, not a setting: who
#: is forgotten is only deleted later.
MOST_OWN_STOPS = 20_000
#: The Hub's ``Date`` has whole seconds, and is on its way for a moment.
_RESOLUTION = timedelta(seconds=2)


#: Who is told what was done.
Note = Callable[[Done], Awaitable[None]]


@dataclass(frozen=True)
class Following:
    """How to look on while the Hub stops a server. Seconds."""

    first: float = 1.0
    longest: float = 10.0
    deadline: float = 300.0


class Stopper:
    """Does what was decided, if it is still right at that moment."""

    def __init__(
        self, hub: HubClient, judge: Judge, clock: Clock, following: Following | None = None
    ) -> None:
        self._hub = hub
        self._judge = judge
        self._clock = clock
        self._following = following or Following()
        self.own: dict[str, OwnStop] = {}
        self.reread = Reread(hub, clock)

    async def see_to(self, candidate: Candidate, slot: Slot, by_user: bool, note: Note) -> None:
        """Stop the servers that are due, and delete the user when they are, too.

        ``note`` is told what was done as soon as it is done, for what follows may fail:
        HubError. With ``by_user`` the user is read first, so that their own activity is known.
        """
        if by_user:
            await self._user(candidate, slot, note)
            return
        user = candidate.user
        for due in candidate.servers:
            fresh = await self.reread.server(user.name, due.name)
            await note(await self._stop(user, due, fresh, slot))

    async def follow(self, candidate: Candidate, done: Done) -> Done:
        """Look on until the Hub has stopped a server whose stop it accepted (202)."""
        name = done.server or ""
        started = next(due.started for due in candidate.servers if due.name == name)
        ways, clock = self._following, self._clock
        deadline = clock.monotonic() + ways.deadline
        pause = ways.first
        while clock.monotonic() < deadline:
            await clock.sleep(pause)
            pause = min(pause * 1.5, ways.longest)
            try:
                fresh = await self._hub.server(done.user, name)
            except HubError as error:
                log.debug("cannot see whether %s stops: %s", done.target, error)
                continue
            if fresh is None or fresh.started != started or not (fresh.ready or fresh.pending):
                self._stopped_late(done.user)
                return replace(done, outcome=Outcome.DONE)
            if not fresh.pending:
                why = "the Hub gave up stopping it"
                return replace(done, outcome=Outcome.FAILED, why=why)
        why = f"the Hub has been stopping it for more than {ways.deadline:.0f} s"
        return replace(done, outcome=Outcome.OVERDUE, why=why)

    async def _user(self, candidate: Candidate, slot: Slot, note: Note) -> None:
        name = candidate.user.name
        try:
            user = await self._hub.user(name)
        except HubNotFound:
            await note(Done.of(name, *candidate.first, Outcome.GONE))
            return
        user = without_own_stop(user, self.own.get(name))
        stopped = 0
        for number, due in enumerate(candidate.servers):
            # Time has passed since the user was read, for all but the first.
            fresh = await self._hub.server(name, due.name) if number else user.servers.get(due.name)
            done = await self._stop(user, due, fresh, slot)
            if done.outcome in (Outcome.DONE, Outcome.SLOW):
                self._remember(name, user.last_activity)
            stopped += done.outcome is Outcome.DONE
            await note(done)
        if candidate.delete is not None and stopped == len(candidate.servers):
            await note(await self._delete(user, candidate.delete, reread=stopped > 0))

    async def _stop(self, user: User, due: Due, fresh: Server | None, slot: Slot) -> Done:
        if fresh is None or (fresh.stopped and not fresh.pending):
            return Done.of(user.name, due.name, due.decision, Outcome.GONE)
        if fresh.pending:
            return Done.of(user.name, due.name, due.decision, Outcome.LEFT, "it is now pending")
        if fresh.started != due.started:
            return Done.of(user.name, due.name, due.decision, Outcome.LEFT, "it was started anew")
        decision = await self._judge.server(user, fresh)
        if decision.action not in (Action.STOP, Action.REMOVE):
            why = f"now: {decision.reason.value}"
            return Done.of(user.name, due.name, due.decision, Outcome.LEFT, why)
        said = await self._hub.stop_server(
            user.name, due.name, remove=decision.action is Action.REMOVE
        )
        outcome = {
            StopOutcome.STOPPED: Outcome.DONE,
            StopOutcome.PENDING: Outcome.SLOW,
            StopOutcome.GONE: Outcome.GONE,
        }[said]
        if outcome is Outcome.SLOW:
            slot.release()
        return Done.of(user.name, due.name, decision, outcome)

    async def _delete(self, user: User, listed: Decision, *, reread: bool) -> Done:
        """Delete a user, if they still are due and have no server."""
        name = user.name
        if reread:
            try:
                now = await self._hub.user(name)
            except HubNotFound:
                return Done.of(name, None, listed, Outcome.GONE)
            user = without_own_stop(now, self.own.get(name))
        if any(is_there(server) for server in user.servers.values()):
            return Done.of(name, None, listed, Outcome.LEFT, f"now: {Reason.SERVERS_RUNNING.value}")
        decision = await self._judge.user(replace(user, servers={}))
        if decision.action is not Action.DELETE_USER:
            return Done.of(name, None, listed, Outcome.LEFT, f"now: {decision.reason.value}")
        there = await self._hub.delete_user(name)
        self.own.pop(name, None)
        return Done.of(name, None, decision, Outcome.DONE if there else Outcome.GONE)

    def _remember(self, user: str, activity: datetime | None) -> None:
        """Note that what the Hub tells of the user's activity now is a stop of ours."""
        self.own.pop(user, None)
        self.own[user] = OwnStop(activity, self._hub.hub_now() + _RESOLUTION)
        if len(self.own) > MOST_OWN_STOPS:
            self.own.pop(next(iter(self.own)))

    def _stopped_late(self, user: str) -> None:
        own = self.own.get(user)
        if own is not None:
            # The Hub dates the activity to the end of the stop, which lies between two looks.
            self._remember(user, own.activity)
