"""Assembles a culler from its settings, for one pass or for many."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from common.clock import Clock, SystemClock
from common.hub.client import HubClient, OnRequest
from common.hub.connection import client_session
from common.hub.retry import NO_RETRY
from common.hub.tls import TLSFiles
from services.cull.arbiter import Arbiter
from services.cull.evaluator import PolicyEvaluator
from services.cull.passes.audit import Audit
from services.cull.passes.executor import Culler
from services.cull.passes.hub_health import HubHealth
from services.cull.passes.listing.survey import Survey
from services.cull.passes.results import PassObserver
from services.cull.policy.model import Policy
from services.cull.settings import CullSettings

if TYPE_CHECKING:
    from services.cull.store.store import CullStore

#: The request timeout of a health check: a Hub that takes longer is unreachable.
PROBE_SECONDS = 30.0


#: Receives the survey of a pass that stops nothing.
DryRun = Callable[[Survey, Policy, datetime], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of a culler. Without ``db_url`` there are no holds or extensions.

    With ``dry_run`` a pass stops nothing: it hands over its survey, the policy and the Hub's time.
    ``policy_problems`` returns why the current policy file does not apply.
    """

    api_url: str
    token: str
    tls: TLSFiles | None
    timeout_seconds: float
    page_size: int
    settle_seconds: float
    policy: Callable[[], Policy]
    settings: CullSettings
    arbiter: Arbiter | None = None
    db_url: str | None = None
    observer: PassObserver | None = None
    on_request: OnRequest | None = None
    dry_run: DryRun | None = None
    policy_problems: Callable[[], Sequence[str]] = tuple


@dataclass(frozen=True)
class Parts:
    """A culler and its parts. The store is not open yet."""

    hub: HubClient
    hub_health: HubHealth
    evaluator: PolicyEvaluator
    culler: Culler
    store: "CullStore | None"
    clock: Clock


@asynccontextmanager
async def assemble(plan: Plan) -> AsyncIterator[Parts]:
    """A culler; everything it opened is closed at the end."""
    clock = SystemClock()
    store = None
    if plan.db_url is not None:
        from services.cull.store.store import CullStore  # SQLAlchemy: slow to import, and large

        store = CullStore(plan.db_url)
    async with client_session(plan.api_url, tls=plan.tls) as session:
        hub = HubClient(
            session,
            plan.api_url,
            plan.token,
            clock=clock,
            page_size=plan.page_size,
            timeout_seconds=plan.timeout_seconds,
            on_request=plan.on_request,
            keep_models=plan.arbiter is not None,
        )
        probe = HubClient(
            session,
            plan.api_url,
            plan.token,
            clock=clock,
            retry=NO_RETRY,
            timeout_seconds=min(PROBE_SECONDS, plan.timeout_seconds),
            on_request=plan.on_request,
        )
        hub_health = HubHealth(probe, plan.settle_seconds, clock)
        evaluator = PolicyEvaluator(
            plan.policy,
            hub.hub_now,
            lambda: hub_health.trust_idle_from,
            store=store,
            arbiter=plan.arbiter,
        )
        evaluator.policy_problems = plan.policy_problems
        culler = Culler(
            hub,
            hub_health,
            evaluator,
            plan.settings,
            clock,
            audit=Audit(store),
            observer=plan.observer,
            dry_run=_with_policy(plan),
        )
        try:
            yield Parts(hub, hub_health, evaluator, culler, store, clock)
        finally:
            await culler.close()
            if store is not None:
                await store.close()


def _with_policy(plan: Plan) -> Callable[[Survey, datetime], None] | None:
    dry_run = plan.dry_run
    if dry_run is None:
        return None
    return lambda survey, now: dry_run(survey, plan.policy(), now)
