"""The culler's web site: pages, API, health, readiness and metrics, behind the Hub's sign-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from common.hub.client import HubClient
from common.oauth.sign_in import OAuthSettings, SignIn
from common.web.application import Bind, Readiness, create_app, serve
from common.web.metrics import Metrics
from services.cull.passes.executor import Culler
from services.cull.store.holds import HoldStore
from services.cull.web.user_page import setup_pages


@dataclass(frozen=True, kw_only=True)
class SiteSettings:
    """Where the site is, and who may do what there."""

    bind: Bind
    prefix: str
    hub_url: str
    oauth: OAuthSettings
    authenticate_prometheus: bool
    admin_groups: frozenset[str]


@asynccontextmanager
async def serve_site(
    settings: SiteSettings,
    *,
    culler: Culler,
    store: HoldStore,
    hub: HubClient,
    metrics: Metrics,
    readiness: Readiness,
) -> AsyncIterator[int]:
    """Serve while the context is open; gives the port."""
    sign_in = SignIn(settings.oauth)
    app = create_app(
        prefix=settings.prefix,
        metrics=metrics,
        readiness=readiness,
        sign_in=sign_in,
        authenticate_prometheus=settings.authenticate_prometheus,
        title="Idle culler",
        hub_url=settings.hub_url,
    )
    setup_pages(
        app,
        culler=culler,
        store=store,
        sign_in=sign_in,
        hub=hub,
        admin_groups=settings.admin_groups,
    )
    async with serve(app, settings.bind) as port:
        yield port
