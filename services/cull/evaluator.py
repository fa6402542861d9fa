"""Evaluates the policy with everything that decisions depend on at one moment."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from common.hub.models import Server, User
from services.cull.arbiter import Arbiter, ask
from services.cull.policy.decide import decide_server, decide_user
from services.cull.policy.model import NO_PROTECTIONS, Decision, Policy, Protections


class ProtectionStore(Protocol):
    """Where extensions and holds are stored: CullStore."""

    async def protections(self, now: datetime) -> Protections: ...


class ProtectionReader:
    """Reads the protections once for all callers that ask at the same time.

    A caller that arrives during a read waits for the next one, so that its answer includes
    every extension made before it asked.
    """

    def __init__(self, read: Callable[[], Awaitable[Protections]]) -> None:
        self._read = read
        self._current: asyncio.Task[Protections] | None = None
        self._next: asyncio.Task[Protections] | None = None

    async def get(self) -> Protections:
        """The protections as they are now, or a moment later."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._current))
            # Retrieves the exception, in case every caller has been cancelled by then.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        # A caller that is cancelled must not cancel the read for the others.
        return await asyncio.shield(self._next)

    async def _read_after(self, before: asyncio.Task[Protections] | None) -> Protections:
        if before is not None:
            await asyncio.wait({before})
        self._current, self._next = self._next, None
        return await self._read()


class Snapshot(NamedTuple):
    """Everything a decision depends on, at one time of the Hub's clock."""

    policy: Policy
    now: datetime
    trust_idle_from: datetime | None
    protections: Protections
    arbiter: Arbiter | None
    unreported: bool = False

    def decide_server(self, user: User, server: Server, verdict: bool | None = None) -> Decision:
        """What to do with a server, given the arbiter's ``verdict``."""
        return decide_server(
            user,
            server,
            self.policy,
            self.now,
            protections=self.protections,
            trust_idle_from=self.trust_idle_from,
            arbiter=verdict,
            unreported=self.unreported,
        )

    def decide_user(self, user: User) -> Decision:
        """What to do with a user."""
        return decide_user(
            user,
            self.policy,
            self.now,
            protections=self.protections,
            trust_idle_from=self.trust_idle_from,
        )

    async def verdict(self, user: User, server: Server) -> bool | None:
        """The arbiter's verdict on a server; None if there is no arbiter or it does not apply.

        Raises whatever the arbiter raises.
        """
        if self.arbiter is None:
            return None
        rule = self.policy.rule_for(user, server, self.now)
        return await ask(self.arbiter, server, rule, self.now)


class PolicyEvaluator:
    """Decides with the current policy, time, protections and state of the Hub.

    ``policy`` returns the policy in force, ``now`` the Hub's time and ``trust_idle_from`` the
    time before which idleness is not trusted. Without a ``store`` nothing is held or extended.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        now: Callable[[], datetime],
        trust_idle_from: Callable[[], datetime | None],
        *,
        store: ProtectionStore | None = None,
        arbiter: Arbiter | None = None,
    ) -> None:
        self.policy = policy
        self.now = now
        self._trust_idle_from = trust_idle_from
        self._arbiter = arbiter
        self.unreported = False
        """Whether no server reports its activity, as of the last complete listing."""
        self.policy_problems: Callable[[], Sequence[str]] = tuple
        """Why the current policy file does not apply, so that the last valid policy does."""
        self._reader: ProtectionReader | None = None
        if store is not None:
            self._reader = ProtectionReader(lambda: store.protections(self.now()))

    async def protections(self) -> Protections:
        """The extensions and holds in force. Raises what the store raises."""
        return NO_PROTECTIONS if self._reader is None else await self._reader.get()

    def snapshot(self, protections: Protections) -> Snapshot:
        """The current state, with protections that were read before."""
        return Snapshot(
            self.policy(),
            self.now(),
            self._trust_idle_from(),
            protections,
            self._arbiter,
            self.unreported,
        )

    async def decide_server(
        self, user: User, server: Server, protections: Protections | None = None
    ) -> Decision:
        """What to do with a server now; reads the protections unless they are given."""
        snapshot = self.snapshot(protections or await self.protections())
        return snapshot.decide_server(user, server, await snapshot.verdict(user, server))

    async def decide_user(self, user: User) -> Decision:
        """What to do with a user now; reads the protections."""
        return self.snapshot(await self.protections()).decide_user(user)
