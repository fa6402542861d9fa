"""The statistics' pages before a fake Hub: everything real but the Hub itself.

Two fakes stand for the Hub: one signs people in, the other is asked by the service. `add_user`
makes a user in both.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from aiohttp import web

from common.hub.client import HubClient
from common.hub.http import NO_RETRY
from common.oauth.sign_in import OAuthSettings, SignIn
from common.web.application import Bind, Readiness, create_app, serve
from common.web.metrics import Metrics
from services.stats.store.queries.dashboard import Queries
from services.stats.web.api.handlers import add_api
from services.stats.web.authentication import Authenticator
from services.stats.web.dashboard import add_pages
from tests.fakes.hub import FakeHub
from tests.fakes.oauth import Browser, FakeOAuth

PREFIX = "/services/stats/"
ACCESS = "access:services!service=stats"


class StatsSite:
    """The service, its Hub, and browsers."""

    def __init__(self, oauth: FakeOAuth, hub: FakeHub) -> None:
        self.oauth = oauth
        self.hub = hub
        self.app: web.Application
        self.sign_in: SignIn
        self.origin = ""
        self.session: aiohttp.ClientSession
        self._stack = AsyncExitStack()

    def add_user(self, name: str, *groups: str, admin: bool = False) -> None:
        """A user, who may use the service."""
        self.oauth.add_user(name, *groups, admin=admin)
        self.hub.add_user(name, groups=list(groups), admin=admin)

    async def browser(self, user: str | None = None) -> Browser:
        """A browser; with a user, one that is signed in."""
        browser = await self._stack.enter_async_context(Browser(self.oauth, self.origin))
        if user:
            await browser.request("GET", "/hub/login", params={"user": user})
        return browser


@asynccontextmanager
async def stats_site(
    queries: Queries, *, admin_groups: frozenset[str] = frozenset()
) -> AsyncIterator[StatsSite]:
    """A site that shows what is in a database."""
    async with AsyncExitStack() as stack:
        oauth = await stack.enter_async_context(FakeOAuth("stats"))
        fake = await stack.enter_async_context(FakeHub())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        site = StatsSite(oauth, fake)
        site.session = session
        hub = HubClient(session, fake.api_url, fake.token, retry=NO_RETRY)
        site.sign_in = SignIn(
            OAuthSettings(
                api_url=oauth.api_url,
                api_token=oauth.secret,
                client_id=oauth.client_id,
                prefix=PREFIX,
                access_scopes=frozenset({ACCESS}),
            )
        )
        site.app = create_app(
            prefix=PREFIX,
            metrics=Metrics("stats"),
            readiness=Readiness(),
            sign_in=site.sign_in,
            authenticate_prometheus=True,
            title="Statistics",
        )
        authenticator = Authenticator(site.sign_in, hub, admin_groups)
        add_pages(site.app, queries=queries, authenticator=authenticator)
        add_api(site.app, queries=queries, authenticator=authenticator)
        port = await stack.enter_async_context(serve(site.app, Bind()))
        site.origin = f"http://127.0.0.1:{port}"
        async with site._stack:
            yield site
