"""Runs the culler: one pass, or the service with its pages.

``app.py`` turns the command line, the configuration file and the environment into ``Settings``;
from there on nothing knows about traitlets. ``assembly.py`` connects the parts that make passes.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from common.errors import ConfigError, HubError
from common.hub.client import HubClient
from common.hub.scopes import check as check_scopes
from common.hub.scopes import role_for
from common.readiness import Readiness
from services.cull.assembly import Parts, Plan, assemble
from services.cull.commands.once import run_one_pass, unfinished_work

if TYPE_CHECKING:
    from common.config.kept import Keeper
    from common.web.metrics import Metrics
    from services.cull.policy_source import PolicyFile
    from services.cull.store.store import CullStore
    from services.cull.web.site import SiteSettings

log = logging.getLogger("cull")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run.

    ``period`` is the time between the starts of two passes, in seconds. ``required_scopes`` and
    ``optional_scopes`` map each scope to the reason. Without ``site`` no pages are served.
    """

    plan: Plan
    period: float
    required_scopes: Mapping[str, str]
    optional_scopes: Mapping[str, str]
    service_name: str
    version: str
    policy_file: "PolicyFile | None" = None
    site: "SiteSettings | None" = None


async def run_once(settings: Settings, stopping: asyncio.Event) -> int:
    """Make one pass; the exit code is 1 if any part of it failed or did not finish."""
    async with assemble(settings.plan) as parts:
        try:
            result = await run_one_pass(parts, stopping)
        except asyncio.CancelledError:
            log.warning("Interrupted during the pass; some stops may not have completed.")
            return 1
        if result.forbidden:
            try:
                await _check_scopes(settings, parts.hub, stopping, wait=False)
            except HubError as error:
                log.debug("cannot read the service's own scopes: %s", error)
    if stopping.is_set() and (unfinished := unfinished_work(result)):
        log.warning("Interrupted by a signal before the pass was complete: %s.", unfinished)
        return 1
    return 0 if result.good else 1


async def run_service(settings: Settings, stopping: asyncio.Event) -> int:
    """Make passes, and serve the pages if there are any, until ``stopping`` is set."""
    from common.web.metrics import Metrics
    from services.cull.metrics import CullMetrics
    from services.cull.service import Service

    registry = Metrics("cull", version=settings.version)
    metrics = CullMetrics(registry)
    plan = replace(settings.plan, observer=metrics, on_request=registry.hub_requests)
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(assemble(plan))
        readiness = Readiness()
        if settings.site is not None:
            readiness = await _serve_pages(settings.site, stack, parts, registry)
        service = Service(
            culler=parts.culler,
            hub_health=parts.hub_health,
            clock=parts.clock,
            period=settings.period,
            metrics=metrics,
            readiness=readiness,
            policy_file=settings.policy_file,
            keeper=_keeper(settings.policy_file, parts.store),
            store=parts.store,
        )
        await service.run(stopping, lambda: _check_scopes(settings, parts.hub, stopping))
    return 0


def _keeper(file: "PolicyFile | None", store: "CullStore | None") -> "Keeper | None":
    if file is None or store is None:
        return None
    from common.config.kept import Keeper

    return Keeper(file, store.keep_policy)


async def _serve_pages(
    settings: "SiteSettings", stack: AsyncExitStack, parts: Parts, registry: "Metrics"
) -> Readiness:
    """Serve pages, API, health and metrics until the stack closes."""
    from services.cull.web.site import serve_site

    if parts.store is None:
        raise ConfigError(["--db-url is required to serve the pages."])
    readiness = Readiness()
    readiness.set("pass", "no pass has been made yet")
    serving = serve_site(
        settings,
        culler=parts.culler,
        store=parts.store,
        hub=parts.hub,
        metrics=registry,
        readiness=readiness,
    )
    port = await stack.enter_async_context(serving)
    log.info("Pages at http://%s:%d%s", settings.bind.host, port, settings.prefix)
    return readiness


async def _check_scopes(
    settings: Settings, hub: HubClient, stopping: asyncio.Event, *, wait: bool = True
) -> None:
    """Log the scopes that the service's token lacks, with the role that grants them."""
    await check_scopes(
        hub,
        settings.required_scopes,
        role=role_for(
            settings.service_name, {**settings.required_scopes, **settings.optional_scopes}
        ),
        stopping=stopping,
        wait=wait,
        service=settings.service_name if settings.site else "",
    )
