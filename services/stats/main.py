"""The recorder and the pages put together as the settings say, and run."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from common.clock import SystemClock
from common.hub.client import HubClient
from common.hub.http import client_session
from common.web.metrics import Metrics
from services.stats.metrics import StatsMetrics
from services.stats.record.recorder import Recorder
from services.stats.record.service import NoReadiness, Service
from services.stats.store.queries.dashboard import Queries

if TYPE_CHECKING:
    from services.stats.app import StatsApp
    from services.stats.record.service import Readiness

log = logging.getLogger("stats")


async def run_service(app: "StatsApp") -> int:
    """Record, and serve if there is where, until told to stop."""
    registry = Metrics("stats", version=app.version)
    pseudonyms = app.pseudonyms()
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        opening = asyncio.ensure_future(stack.enter_async_context(app.store(wait=True)))
        stopped = asyncio.ensure_future(app.stopping.wait())
        await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not opening.done():
            opening.cancel()
            return 0
        store = await opening
        session = await stack.enter_async_context(client_session(app.url, tls=app.hub_tls))
        hub = HubClient(
            session,
            app.url,
            app.token,
            clock=clock,
            timeout_seconds=float(app.request_timeout),
            on_request=registry.hub_requests,
        )
        recorder = Recorder(hub, store, app.recorder_settings(), clock=clock)
        if pseudonyms is not None:
            recorder.rename = pseudonyms.user
        readiness: Readiness = NoReadiness()
        queries = None
        if app.serves:
            queries = Queries(store, name_of=pseudonyms.name if pseudonyms else str)
            readiness = await _serve_pages(app, stack, queries, hub, registry)
        service = Service(
            recorder=recorder,
            clock=clock,
            metrics=StatsMetrics(registry, per_user=app.user_metrics),
            readiness=readiness,
            metric_groups=app.metric_groups,
            per_user=app.user_metrics,
            after_poll=queries.count_today if queries else None,
        )
        await service.run(app.stopping, lambda: _prepare(app, hub, recorder))
    return 0


async def _prepare(app: "StatsApp", hub: HubClient, recorder: Recorder) -> None:
    """Wait for the Hub, and hear its time; without the scope for groups leave them alone."""
    missing = await app.check_scopes(hub, app.needed_scopes)
    if "read:users" in missing:
        recorder.settings = replace(recorder.settings, groups_readable=False)


async def _serve_pages(
    app: "StatsApp", stack: AsyncExitStack, queries: Queries, hub: HubClient, registry: Metrics
) -> "Readiness":
    """Serve pages, API, health and metrics until the stack is closed."""
    from common.oauth.sign_in import SignIn
    from common.web.application import Bind, Readiness, create_app, serve
    from services.stats.web.api.handlers import add_api
    from services.stats.web.authentication import Authenticator
    from services.stats.web.dashboard import add_pages

    readiness = Readiness()
    readiness.set("poll", "no poll was made yet")
    sign_in = SignIn(app.oauth_settings())
    site = create_app(
        prefix=app.prefix,
        metrics=registry,
        readiness=readiness,
        sign_in=sign_in,
        authenticate_prometheus=app.authenticate_prometheus,
        title="Statistics",
        hub_url=app.public_hub_url,
    )
    authenticator = Authenticator(sign_in, hub, frozenset(app.admin_groups))
    add_pages(site, queries=queries, authenticator=authenticator)
    add_api(site, queries=queries, authenticator=authenticator)
    tls = app.server_tls
    bind = Bind(app.ip, app.port or 0, tls.server_context() if tls else None)
    port = await stack.enter_async_context(serve(site, bind))
    log.info("Pages at http://%s:%d%s", app.ip, port, app.prefix)
    return readiness
