"""The culler's pages before a fake Hub: everything real but the Hub itself.

Two fakes stand for the Hub: one signs people in, the other is asked by the service. `add_user`
makes a user in both.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from common.hub.client import HubClient
from common.hub.retry import NO_RETRY
from common.oauth.sign_in import OAuthSettings, SignIn
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.server import Bind, serve
from services.cull.evaluator import PolicyEvaluator
from services.cull.passes.executor import Culler
from services.cull.passes.hub_health import HubHealth
from services.cull.passes.settings import CullSettings
from services.cull.policy.model import Flags, Policy
from services.cull.store.store import CullStore
from services.cull.web.user_page import setup_pages
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub
from tests.fakes.oauth import Browser, FakeOAuth

PREFIX = "/services/cull/"
ACCESS = "access:services!service=cull"


class CullSite:
    """The service, its Hub, and browsers. policy may be replaced at any time."""

    def __init__(self, oauth: FakeOAuth, hub: FakeHub, store: CullStore, clock: FakeClock) -> None:
        self.oauth = oauth
        self.hub = hub
        self.store = store
        self.clock = clock
        self.policy = Policy.from_flags(Flags(timeout=600, extend_by=3600, extensions_per_day=2))
        self.culler: Culler
        self.app: web.Application
        self.origin = ""
        self.script: aiohttp.ClientSession
        self._stack = AsyncExitStack()

    def add_user(self, name: str, *groups: str, admin: bool = False) -> None:
        """A user, who may use the service."""
        self.oauth.add_user(name, *groups, admin=admin)
        self.hub.add_user(name, groups=list(groups), admin=admin)

    async def browser(self, user: str | None = None) -> Browser:
        """A browser; with a user, one that is signed in and has opened the start page."""
        browser = await self._stack.enter_async_context(Browser(self.oauth, self.origin))
        if user:
            await browser.log_in(user)
            await browser.go(PREFIX)
        return browser

    async def api(
        self,
        method: str,
        path: str,
        *,
        user: str = "",
        service: str = "",
        scopes: tuple[str, ...] = (ACCESS,),
        **options: Any,
    ) -> tuple[int, Any]:
        """Ask the API with a token of a user or a service; status and the JSON answer."""
        headers = options.pop("headers", {})
        if user or service:
            token = self.oauth.add_token(
                user or service, *scopes, kind="user" if user else "service"
            )
            headers = headers | {"Authorization": f"token {token}"}
        url = URL(f"{self.origin}{PREFIX}api/{path}", encoded=True)
        async with self.script.request(method, url, headers=headers, **options) as answer:
            body = await answer.read()
            return answer.status, await answer.json() if body else None


@asynccontextmanager
async def cull_site(directory: Path, **options: Any) -> AsyncIterator[CullSite]:
    """A site with a database in the directory. options: those of setup_pages."""
    clock = FakeClock()
    async with AsyncExitStack() as stack:
        oauth = await stack.enter_async_context(FakeOAuth())
        fake = await stack.enter_async_context(FakeHub())
        fake.now = clock.now
        store = await stack.enter_async_context(CullStore(f"sqlite:///{directory}/cull.sqlite"))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        site = CullSite(oauth, fake, store, clock)
        site.script = session
        hub = HubClient(session, fake.api_url, fake.token, clock=clock, retry=NO_RETRY)
        hub_health = HubHealth(hub, 0, clock)
        evaluator = PolicyEvaluator(lambda: site.policy, hub.hub_now, lambda: None, store=store)
        site.culler = Culler(hub, hub_health, evaluator, CullSettings(keep_servers=True), clock)
        sign_in = SignIn(
            OAuthSettings(
                api_url=oauth.api_url,
                api_token=oauth.secret,
                client_id=oauth.client_id,
                prefix=PREFIX,
                access_scopes=frozenset({ACCESS}),
            )
        )
        app = create_app(
            prefix=PREFIX,
            metrics=Metrics("cull"),
            readiness=Readiness(),
            sign_in=sign_in,
            authenticate_prometheus=True,
            title="Idle culler",
        )
        setup_pages(app, culler=site.culler, store=store, sign_in=sign_in, hub=hub, **options)
        port = await stack.enter_async_context(serve(app, Bind()))
        site.app = app
        site.origin = f"http://127.0.0.1:{port}"
        async with site._stack:
            yield site
