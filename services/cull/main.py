"""The culler's parts put together as its settings say, and run: one pass, or the service."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from common.errors import ConfigError, HubError
from common.readiness import Readiness
from services.cull.assembly import Parts, Plan, assemble
from services.cull.policy.model import Policy

if TYPE_CHECKING:
    from common.web.metrics import Metrics
    from services.cull.app import IdleCuller
    from services.cull.metrics import CullMetrics
    from services.cull.policy_source import PolicyFile

log = logging.getLogger("cull")


def plan(
    app: "IdleCuller",
    file: "PolicyFile | None" = None,
    metrics: "CullMetrics | None" = None,
    registry: "Metrics | None" = None,
) -> Plan:
    """Of which parts, and with what, passes are made."""
    if file is None and app.policy:
        file = app.policy_file()
    fixed = Policy.from_flags(app.policy_flags)
    return Plan(
        api_url=app.url,
        token=app.token,
        tls=app.hub_tls,
        timeout_seconds=float(app.request_timeout),
        page_size=app.api_page_size,
        settle_seconds=float(app.settle),
        policy=(lambda: file.policy) if file is not None else (lambda: fixed),
        settings=app.cull_settings,
        arbiter=app.cull_arbiter_hook,
        db_url=app.db_url if app.keeps_store else None,
        observer=metrics,
        on_request=registry.hub_requests if registry is not None else None,
        dry=app.dry_run,
    )


async def run_once(app: "IdleCuller") -> int:
    """One pass. Who waits for the exit code, such as cron, is to know that not all was done."""
    from services.cull.commands.once import one_pass, undone

    async with assemble(plan(app)) as parts:
        try:
            result = await one_pass(parts, app.stopping)
        except asyncio.CancelledError:
            log.warning("Ended in the middle of the pass: what was under way may not be done.")
            return 1
        if result.forbidden:
            try:
                await app.check_scopes(
                    parts.hub, app.required_scopes, app.optional_scopes, wait=False
                )
            except HubError as error:
                log.debug("own scopes are not known: %s", error)
    if app.stopping.is_set() and (left := undone(result)):
        log.warning("Ended by a signal before the pass was over: %s.", left)
        return 1
    return 0 if result.good else 1


async def run_service(app: "IdleCuller") -> int:
    """Passes, with pages if they are to be served, until told to stop."""
    from common.web.metrics import Metrics
    from services.cull.metrics import CullMetrics
    from services.cull.service import Service

    registry = Metrics("cull", version=app.version)
    metrics = CullMetrics(registry)
    file = app.policy_file() if app.policy else None
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(assemble(plan(app, file, metrics, registry)))
        readiness = Readiness()
        if app.serves:
            readiness = await _serve_pages(app, stack, parts, registry)
        service = Service(
            culler=parts.culler,
            hub_health=parts.hub_health,
            clock=parts.clock,
            period=app.period,
            metrics=metrics,
            readiness=readiness,
            policy_file=file,
            store=parts.store,
        )

        async def check_role() -> None:
            await app.check_scopes(parts.hub, app.required_scopes, app.optional_scopes)

        await service.run(app.stopping, check_role)
    return 0


async def _serve_pages(
    app: "IdleCuller", stack: AsyncExitStack, parts: Parts, registry: "Metrics"
) -> Readiness:
    from common.web.server import Bind
    from services.cull.web.site import SiteSettings, site

    if parts.store is None:
        raise ConfigError(["--db-url is needed for the pages."])
    readiness = Readiness()
    readiness.set("pass", "no pass has been made yet")
    tls = app.server_tls
    settings = SiteSettings(
        bind=Bind(app.ip, app.port or 0, tls.server_context() if tls else None),
        prefix=app.prefix,
        hub_url=app.public_hub_url,
        oauth=app.oauth_settings(),
        authenticate_prometheus=app.authenticate_prometheus,
        admin_groups=frozenset(app.admin_groups),
    )
    serving = site(
        settings,
        culler=parts.culler,
        store=parts.store,
        hub=parts.hub,
        metrics=registry,
        readiness=readiness,
    )
    port = await stack.enter_async_context(serving)
    log.info("Pages at http://%s:%d%s", app.ip, port, app.prefix)
    return readiness
