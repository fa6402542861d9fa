"""A culler on the fake Hub, for the tests of its parts."""

from collections.abc import Callable
from typing import Any

import aiohttp

from common.clock import Clock
from common.hub.client import HubClient
from common.hub.http import NO_RETRY, Retry
from services.cull.arbiter import Arbiter
from services.cull.audit import Audit
from services.cull.evaluator import PolicyEvaluator, ProtectionStore
from services.cull.passes.executor import Culler
from services.cull.passes.hub_health import HubHealth
from services.cull.passes.results import PassObserver, TargetResult
from services.cull.passes.settings import CullSettings
from services.cull.policy.model import Flags, Policy, Protections
from services.cull.store.records import Event, StoreError
from tests.fakes.hub import FakeHub

HOUR = 3600.0


class FakeStore:
    """Protections from memory, and audit lines into it. ``away`` makes every call fail."""

    def __init__(self, protections: Protections | None = None) -> None:
        self.held = protections or Protections()
        self.events: list[Event] = []
        self.reads = 0
        self.away = False

    async def protections(self, now: object) -> Protections:
        self.reads += 1
        if self.away:
            raise StoreError("database sqlite:///cull.sqlite: it is away")
        return self.held

    async def audit(self, *events: Event) -> None:
        if self.away:
            raise StoreError("database sqlite:///cull.sqlite: it is away")
        self.events.extend(events)


class Seen:
    """Remembers what the culler tells its observer."""

    def __init__(self) -> None:
        self.all: list[TargetResult] = []

    def pass_finished(self, result: object) -> None:
        """Not kept: the culler's history has it."""

    def target_finished(self, result: TargetResult) -> None:
        self.all.append(result)


def make_culler(
    fake_hub: FakeHub,
    session: aiohttp.ClientSession,
    clock: Clock,
    *,
    flags: Flags | None = None,
    policy: Callable[[], Policy] | None = None,
    settle: float = 0.0,
    store: FakeStore | None = None,
    arbiter: Arbiter | None = None,
    observer: PassObserver | None = None,
    page_size: int = 0,
    timeout_seconds: float = 5.0,
    **settings: Any,
) -> Culler:
    """A culler with a timeout of an hour, if nothing else is said."""
    flags = flags or Flags(timeout=HOUR)
    fixed = Policy.from_flags(flags)
    hub = HubClient(
        session,
        fake_hub.api_url,
        fake_hub.token,
        clock=clock,
        retry=Retry(attempts=3),
        page_size=page_size,
        timeout_seconds=timeout_seconds,
        keep_raw=arbiter is not None,
    )
    probe = HubClient(
        session,
        fake_hub.api_url,
        fake_hub.token,
        clock=clock,
        retry=NO_RETRY,
        timeout_seconds=timeout_seconds,
    )
    hub_health = HubHealth(probe, settle, clock)
    holds: ProtectionStore | None = store
    evaluator = PolicyEvaluator(
        policy or (lambda: fixed),
        hub.hub_now,
        lambda: hub_health.trust_idle_from,
        store=holds,
        arbiter=arbiter,
    )
    return Culler(
        hub,
        hub_health,
        evaluator,
        CullSettings(cull_users=flags.cull_users, **settings),
        clock,
        audit=Audit(store),
        observer=observer,
    )
