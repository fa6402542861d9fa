"""Brings the policy together with all that it wants to know at this moment."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from common.models import Server, User
from services.cull.arbiter import Arbiter, ask
from services.cull.hubwatch import HubWatch
from services.cull.policy import (
    NO_PROTECTIONS,
    Decision,
    Policy,
    Protections,
    decide_server,
    decide_user,
)


class ProtectionStore(Protocol):
    """Where extensions and holds are kept: HoldStore."""

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

    async def server(
        self, user: User, server: Server, protections: Protections | None = None
    ) -> Decision:
        """What to do with a server; reads the protections anew if none are given."""
        if protections is None:
            protections = await self.protections()
        if self.arbiter is None:
            return self.server_now(user, server, protections)
        rule = self.policy().rule_for(user, server, self.now())
        verdict = await ask(self.arbiter, server, rule, self.now())
        return self.server_now(user, server, protections, verdict)

    def server_now(
        self, user: User, server: Server, protections: Protections, arbiter: bool | None = None
    ) -> Decision:
        """What to do with a server, all else being known."""
        return decide_server(
            user,
            server,
            self.policy(),
            self.now(),
            protections=protections,
            believe_from=self.watch.believe_from,
            arbiter=arbiter,
        )

    async def user(self, user: User, protections: Protections | None = None) -> Decision:
        """What to do with a user; reads the protections anew if none are given."""
        if protections is None:
            protections = await self.protections()
        return self.user_now(user, protections)

    def user_now(self, user: User, protections: Protections) -> Decision:
        """What to do with a user, all else being known."""
        return decide_user(
            user,
            self.policy(),
            self.now(),
            protections=protections,
            believe_from=self.watch.believe_from,
        )
