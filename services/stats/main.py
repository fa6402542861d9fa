"""Composition root: builds the recorder and the pages from the settings, and runs them."""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from common.clock import SystemClock
from common.hub import scopes
from common.hub.client import HubClient
from common.hub.connection import client_session
from common.hub.tls import TLSFiles
from common.readiness import Readiness
from common.web.metrics import Metrics
from services.stats.database import DatabaseSettings, open_store
from services.stats.metrics import StatsMetrics
from services.stats.record.culler_audit.decisions import CullDecisions
from services.stats.record.culler_audit.reader import SECONDS, AuditReader
from services.stats.record.recorder import Recorder, RecorderSettings
from services.stats.record.service import Service
from services.stats.scopes import ADMIN_SCOPE, OPTIONAL_SCOPES, REQUIRED_SCOPES
from services.stats.store.queries.dashboard import Queries

if TYPE_CHECKING:
    from common.oauth.settings import OAuthSettings
    from common.web.server import Bind
    from services.stats.prometheus.settings import ResourceSettings
    from services.stats.store.store import Store
    from services.stats.web.resources.report import ResourceSource

log = logging.getLogger("stats")

TITLE = "Statistics"
OPENING_SECONDS = 2.0
"""Until pages say that the database is not available yet."""
WAITING = "The database is not available yet. The log says why."


@dataclass(frozen=True)
class HubSettings:
    """How to reach the Hub's API."""

    url: str
    token: str = field(repr=False)
    timeout_seconds: float
    tls: TLSFiles | None


@dataclass(frozen=True)
class PagesSettings:
    """Where to serve the pages, and who sees everything."""

    ip: str
    port: int
    prefix: str
    tls: TLSFiles | None
    public_hub_url: str
    oauth: "OAuthSettings"
    admin_groups: frozenset[str]
    authenticate_prometheus: bool
    email: str = ""
    """The template of users' e-mail addresses; empty: only names with an @ are addresses."""

    def bind(self) -> "Bind":
        """The address to listen on."""
        from common.web.server import Bind  # slow to import, and only needed to serve pages

        return Bind(self.ip, self.port, self.tls.server_context() if self.tls else None)


@dataclass(frozen=True)
class Settings:
    """Everything that the service needs to run."""

    version: str
    service_name: str
    database: DatabaseSettings
    hub: HubSettings
    recorder: RecorderSettings
    pages: PagesSettings | None
    """None: record only."""
    resources: "ResourceSettings | None"
    """None: Prometheus is not configured."""
    metric_groups: int
    user_metrics: bool
    cull_url: str = ""
    """The culler's pages, whose audit log is read; empty: it is not."""


async def run_service(settings: Settings, stopping: asyncio.Event) -> int:
    """Record, and serve the pages if configured, until ``stopping``. Returns the exit code."""
    registry = Metrics("stats", version=settings.version)
    pseudonyms = settings.database.pseudonyms
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        opening = asyncio.ensure_future(
            stack.enter_async_context(open_store(settings.database, wait=True))
        )
        stopped = asyncio.ensure_future(stopping.wait())
        await _opened_or_stopped(settings.pages, opening, stopped)
        stopped.cancel()
        if not opening.done():
            opening.cancel()
            return 0
        store = await opening
        session = await stack.enter_async_context(
            client_session(settings.hub.url, tls=settings.hub.tls)
        )
        hub = HubClient(
            session,
            settings.hub.url,
            settings.hub.token,
            clock=clock,
            timeout_seconds=settings.hub.timeout_seconds,
            on_request=registry.hub_requests,
        )
        recorder = Recorder(
            hub,
            store,
            settings.recorder,
            rename=pseudonyms.user if pseudonyms else lambda user: user,
            clock=clock,
            culls=await _culls(settings, stack, clock) if settings.cull_url else None,
        )
        service = Service(
            recorder=recorder,
            clock=clock,
            metrics=StatsMetrics(registry, per_user=settings.user_metrics),
            metric_groups=settings.metric_groups,
            per_user=settings.user_metrics,
        )
        if settings.pages is not None:
            queries = Queries(store, name_of=pseudonyms.name if pseudonyms else str)
            resources = None
            if settings.resources is not None:
                resources = await _measure(settings.resources, stack, queries)
            readiness = await _serve_pages(settings.pages, stack, queries, hub, registry, resources)
            service.set_readiness = readiness.set
            service.after_poll = queries.count_today

        async def prepare() -> None:
            """Wait for the Hub and check the scopes."""
            missing = await scopes.check(
                hub,
                REQUIRED_SCOPES,
                role=scopes.role_for(settings.service_name, REQUIRED_SCOPES | OPTIONAL_SCOPES),
                stopping=stopping,
                service=settings.service_name if settings.pages else "",
            )
            if "read:users" in missing:
                recorder.ignore_groups()

        await service.run(stopping, prepare)
    return 0


async def _opened_or_stopped(
    pages: PagesSettings | None,
    opening: "asyncio.Future[Store]",
    stopped: "asyncio.Future[Literal[True]]",
) -> None:
    """Wait for the database; if that takes long, with pages that say so.

    A Hub that starts waits for the service's address, and JupyterHub 5 and 6 exit without it.
    """
    either: set[asyncio.Future[Any]] = {opening, stopped}
    async with AsyncExitStack() as stack:
        done, _ = await asyncio.wait(
            either, timeout=OPENING_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not done and pages is not None:
            from common.web.unavailable import Place, unavailable

            place = Place(pages.bind(), pages.prefix, TITLE, pages.public_hub_url)
            await stack.enter_async_context(unavailable(place, lambda: [WAITING]))
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)


async def _culls(settings: Settings, stack: AsyncExitStack, clock: SystemClock) -> CullDecisions:
    """What finds out which servers the culler stopped, until the stack is closed."""
    pseudonyms = settings.database.pseudonyms
    session = await stack.enter_async_context(
        client_session(settings.cull_url, tls=settings.hub.tls)
    )
    reader = AuditReader(
        session,
        settings.cull_url,
        settings.hub.token,
        clock=clock,
        seconds=min(SECONDS, settings.recorder.interval / 4),
    )
    return CullDecisions(reader, rename=pseudonyms.user if pseudonyms else lambda user: user)


async def _measure(
    settings: "ResourceSettings", stack: AsyncExitStack, queries: Queries
) -> "ResourceSource":
    """Where the page about resources gets its numbers, until the stack is closed."""
    from services.stats.prometheus.client import PrometheusClient
    from services.stats.prometheus.measurements import Measurements
    from services.stats.web.resources.report import ResourceSource

    ca_file = settings.prometheus.ca_file
    session = await stack.enter_async_context(
        client_session(
            settings.prometheus.url,
            tls=TLSFiles(keyfile="", certfile="", cafile=ca_file) if ca_file else None,
        )
    )
    client = PrometheusClient(session, settings.prometheus)
    return ResourceSource(queries, Measurements(client, settings.expressions), settings.prices)


async def _serve_pages(
    pages: PagesSettings,
    stack: AsyncExitStack,
    queries: Queries,
    hub: HubClient,
    registry: Metrics,
    resources: "ResourceSource | None",
) -> Readiness:
    """Serve the pages, API, health checks and metrics until the stack is closed."""
    from common.oauth.sign_in import SignIn
    from common.web.application import create_app
    from common.web.server import serve
    from services.stats.web.api.handlers import add_api
    from services.stats.web.authentication import Authenticator
    from services.stats.web.dashboard import add_pages

    readiness = Readiness()
    readiness.set("poll", "no poll has been written yet")
    sign_in = SignIn(pages.oauth)
    site = create_app(
        prefix=pages.prefix,
        metrics=registry,
        readiness=readiness,
        sign_in=sign_in,
        authenticate_prometheus=pages.authenticate_prometheus,
        admin_scope=ADMIN_SCOPE,
        title=TITLE,
        hub_url=pages.public_hub_url,
    )
    authenticator = Authenticator(sign_in, hub, pages.admin_groups)
    add_pages(
        site,
        queries=queries,
        authenticator=authenticator,
        resources=resources,
        email=pages.email,
    )
    add_api(site, queries=queries, authenticator=authenticator, resources=resources)
    port = await stack.enter_async_context(serve(site, pages.bind()))
    log.info("Pages at http://%s:%d%s", pages.ip, port, pages.prefix)
    return readiness
