"""Puts a culler together, for one pass or for many."""

from collections.abc import AsyncIterator, Callable
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
from services.cull.audit import Audit
from services.cull.passes.candidates import Survey
from services.cull.passes.executor import Culler, CullSettings, Observer
from services.cull.passes.hub_health import HubWatch
from services.cull.passes.judge import Judge
from services.cull.policy.model import Policy

if TYPE_CHECKING:
    from services.cull.store.store import CullStore

#: A Hub that does not answer the smallest question for so long is out of reach.
PROBE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a culler is made of. ``db_url`` None: nothing is held, extended or kept.

    ``dry`` passes print what they would do, and do nothing.
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
    observer: Observer | None = None
    on_request: OnRequest | None = None
    dry: bool = False


@dataclass(frozen=True)
class Parts:
    """A culler and what it is made of. The store is not open yet."""

    hub: HubClient
    watch: HubWatch
    judge: Judge
    culler: Culler
    store: "CullStore | None"
    clock: Clock


@asynccontextmanager
async def assemble(plan: Plan) -> AsyncIterator[Parts]:
    """A culler; at the end all that it opened is closed."""
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
        watch = HubWatch(probe, plan.settle_seconds, clock)
        judge = Judge(plan.policy, hub.hub_now, watch, store=store, arbiter=plan.arbiter)
        culler = Culler(
            hub,
            judge,
            plan.settings,
            clock,
            audit=Audit(store),
            observer=plan.observer,
            show=(lambda survey, now: _print(survey, plan.policy(), now)) if plan.dry else None,
        )
        try:
            yield Parts(hub, watch, judge, culler, store, clock)
        finally:
            await culler.close()
            if store is not None:
                await store.close()


def _print(survey: Survey, policy: Policy, now: datetime) -> None:
    from services.cull.commands.dry_run import dry_run

    for line in dry_run(survey, policy, now):
        print(line, flush=True)
