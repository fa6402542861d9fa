"""A culler on the fake Hub, and builders for the tests of its parts."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from common.clock import Clock
from common.errors import StoreError
from common.hub.client import HubClient
from common.hub.retry import NO_RETRY, Retry
from services.cull.arbiter import Arbiter
from services.cull.evaluator import PolicyEvaluator, ProtectionStore
from services.cull.passes.audit import Audit
from services.cull.passes.executor import Culler
from services.cull.passes.hub_health import HubHealth
from services.cull.passes.listing.survey import Survey
from services.cull.passes.results import PassObserver, PassResult, TargetResult
from services.cull.policy.model import Flags, Policy, Protections
from services.cull.settings import CullSettings
from services.cull.store.records import Event
from tests.fakes.clock import START
from tests.fakes.hub import FakeHub

HOUR = 3600.0
#: The servers of the fixture ``hub``.
IDLE = [f"idle{number}" for number in range(5)]
BUSY = [f"busy{number}" for number in range(5)]


class FakeStore:
    """Protections and audit lines in memory. ``away`` makes every call fail."""

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


class RecordingObserver:
    """Records what the culler reports."""

    def __init__(self) -> None:
        self.all: list[TargetResult] = []

    def pass_finished(self, result: object) -> None:
        """Not recorded: the culler's history has it."""

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
    dry_run: Callable[[Survey, datetime], None] | None = None,
    page_size: int = 0,
    timeout_seconds: float = 5.0,
    **settings: Any,
) -> Culler:
    """A culler, by default with an idle timeout of one hour."""
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
        keep_models=arbiter is not None,
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
        dry_run=dry_run,
    )


async def run_pass(culler: Culler, seconds: float = 20.0) -> PassResult:
    """One pass within a time limit, whose errors do not contain the token."""
    async with asyncio.timeout(seconds):
        result = await culler.run_pass()
    assert not any(FakeHub.token in error for error in result.errors)
    return result


def stopped(fake_hub: FakeHub) -> list[str]:
    """The users whose servers were stopped, in order of their names."""
    return sorted(user for user, _ in fake_hub.stopped)


def add_idle_user(fake_hub: FakeHub, name: str, idle: float = 2 * HOUR, **fields: Any) -> None:
    """Add a user without servers, last active ``idle`` seconds ago."""
    fake_hub.add_user(name, last_activity=START - timedelta(seconds=idle), **fields)
