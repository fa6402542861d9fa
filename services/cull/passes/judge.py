"""Brings the policy together with all that it wants to know at this moment."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from common.hub.models import Server, User
from services.cull.arbiter import Arbiter, ask
from services.cull.passes.hub_health import HubWatch
from services.cull.policy.decide import decide_server, decide_user
from services.cull.policy.model import (
    NO_PROTECTIONS,
    Decision,
    Policy,
    Protections,
)


class ProtectionStore(Protocol):
    """Where extensions and holds are kept: CullStore."""

    async def protections(self, now: datetime) -> Protections: ...


class Latest:
    """Reads the protections, once for all who ask at the same time.

    Who asks while a reading is under way waits for the next one: an extension that was
    there when they asked is in what they get.
    """

    def __init__(self, read: Callable[[], Awaitable[Protections]]) -> None:
        self._read = read
        self._reading: asyncio.Task[Protections] | None = None
        self._next: asyncio.Task[Protections] | None = None

    async def get(self) -> Protections:
        """The protections as they are now, or a little later."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._reading))
            # An error is for those who wait; should nobody wait any more, it is nobody's.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Who is cancelled while waiting must not take the answer from the others.
        return await asyncio.shield(self._next)

    async def _read_after(self, before: asyncio.Task[Protections] | None) -> Protections:
        if before is not None:
            await asyncio.wait({before})
        self._reading, self._next = self._next, None
        return await self._read()


class Judge:
    """Decides with the policy, the time, the holds and the Hub's state of this moment.

    ``policy`` gives the one in force; without a ``store`` nothing is held or extended.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        now: Callable[[], datetime],
        watch: HubWatch,
        *,
        store: ProtectionStore | None = None,
        arbiter: Arbiter | None = None,
    ) -> None:
        self.policy = policy
        self.now = now
        self.watch = watch
        self.arbiter = arbiter
        self._latest: Latest | None = None
        if store is not None:
            self._latest = Latest(lambda: store.protections(self.now()))

    async def protections(self) -> Protections:
        """Extensions and holds in force. Raises what the store raises."""
        return NO_PROTECTIONS if self._latest is None else await self._latest.get()

    async def moment(self) -> "Moment":
        """All that counts, as it is now."""
        return self.moment_with(await self.protections())

    def moment_with(self, protections: Protections) -> "Moment":
        """The same, with protections that were read already."""
        return Moment(self.policy(), self.now(), self.watch.believe_from, protections, self.arbiter)

    async def server(
        self, user: User, server: Server, protections: Protections | None = None
    ) -> Decision:
        """What to do with a server; reads the protections anew if none are given."""
        moment = self.moment_with(protections or await self.protections())
        return (
            moment.server(user, server)
            if self.arbiter is None
            else await moment.asked(user, server)
        )

    async def user(self, user: User) -> Decision:
        """What to do with a user; reads the protections anew."""
        return (await self.moment()).user(user)


class Moment(NamedTuple):
    """All that a decision needs to know, at one time of the Hub's."""

    policy: Policy
    now: datetime
    believe_from: datetime | None
    protections: Protections
    arbiter: Arbiter | None

    def server(self, user: User, server: Server, verdict: bool | None = None) -> Decision:
        """What to do with a server; ``verdict`` is the arbiter's."""
        return decide_server(
            user,
            server,
            self.policy,
            self.now,
            protections=self.protections,
            believe_from=self.believe_from,
            arbiter=verdict,
        )

    async def asked(self, user: User, server: Server) -> Decision:
        """What to do with a server, after asking the arbiter where there is one."""
        return self.server(user, server, await self.verdict(user, server))

    async def verdict(self, user: User, server: Server) -> bool | None:
        """What the arbiter says of a server; None where there is none, or nothing to ask."""
        if self.arbiter is None:
            return None
        rule = self.policy.rule_for(user, server, self.now)
        return await ask(self.arbiter, server, rule, self.now)

    def user(self, user: User) -> Decision:
        """What to do with a user."""
        return decide_user(
            user,
            self.policy,
            self.now,
            protections=self.protections,
            believe_from=self.believe_from,
        )
