"""The culler's web site: pages, API, health, readiness and metrics, behind the Hub's sign-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from common.hub.client import HubClient
from common.oauth.sign_in import OAuthSettings, SignIn
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.server import Bind, serve
from services.cull.passes.executor import Culler
from services.cull.scopes import ADMIN_SCOPE
from services.cull.store.store import CullStore
from services.cull.web.access import Viewers
from services.cull.web.admin_pages import AdminPages
from services.cull.web.api.handlers import Api
from services.cull.web.culler_state import CullerState
from services.cull.web.holds import Holds
from services.cull.web.keep_running import KeepRunning
from services.cull.web.pages import respond_to_cull_errors, setup_templates
from services.cull.web.servers import Servers
from services.cull.web.user_page import UserPage


@dataclass(frozen=True, kw_only=True)
class SiteSettings:
    """Where the site is served, how users sign in, and who is an administrator.

    ``admin_groups``: see access.py.
    """

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
    store: CullStore,
    hub: HubClient,
    metrics: Metrics,
    readiness: Readiness,
) -> AsyncIterator[int]:
    """Serve the site while the context is open; yields the port."""
    sign_in = SignIn(settings.oauth)
    app = create_app(
        prefix=settings.prefix,
        metrics=metrics,
        readiness=readiness,
        sign_in=sign_in,
        authenticate_prometheus=settings.authenticate_prometheus,
        admin_scope=ADMIN_SCOPE,
        title="Idle culler",
        hub_url=settings.hub_url,
    )
    viewers = Viewers(sign_in, hub, admin_groups=settings.admin_groups)
    setup_site(app, culler=culler, store=store, viewers=viewers, hub=hub)
    async with serve(app, settings.bind) as port:
        yield port


def setup_site(
    app: web.Application, *, culler: Culler, store: CullStore, viewers: Viewers, hub: HubClient
) -> None:
    """Add the culler's pages and its JSON API to an application made by ``create_app``."""
    state = CullerState(culler)
    servers = Servers(state, store)
    keep_running = KeepRunning(state, store)
    holds = Holds(state, store, hub)
    setup_templates(app)
    app.middlewares.append(respond_to_cull_errors)
    UserPage(viewers, state, servers, keep_running).setup(app)
    AdminPages(viewers, state, servers, holds, store).setup(app)
    Api(viewers, state, servers, keep_running, holds, store).setup(app)
