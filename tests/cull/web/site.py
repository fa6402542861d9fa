"""The culler's site in front of a fake Hub: everything is real except the Hub.

Two fakes play the Hub: one signs users in, the other answers the service's requests. `add_user`
adds a user to both.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from html import unescape
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
from services.cull.passes.audit import Audit
from services.cull.passes.executor import Culler
from services.cull.passes.hub_health import HubHealth
from services.cull.policy.model import Flags, Policy
from services.cull.settings import CullSettings
from services.cull.store.store import CullStore
from services.cull.web.access import Viewers
from services.cull.web.site import setup_site
from tests.fakes.clock import FakeClock
from tests.fakes.hub import FakeHub
from tests.fakes.oauth import Answer, Browser, FakeOAuth

PREFIX = "/services/cull/"
ACCESS = "access:services!service=cull"


class CullSite:
    """The service, its Hub, and browsers. The policy can be replaced at any time."""

    def __init__(self, oauth: FakeOAuth, hub: FakeHub, store: CullStore, clock: FakeClock) -> None:
        self.oauth = oauth
        self.hub = hub
        self.store = store
        self.clock = clock
        self.policy = Policy.from_flags(Flags(timeout=600, extend_by=3600, extensions_per_day=2))
        self.culler: Culler
        self.client: HubClient
        self.app: web.Application
        self.origin = ""
        self.script: aiohttp.ClientSession
        self._stack = AsyncExitStack()

    def add_user(self, name: str, *groups: str, admin: bool = False) -> None:
        """Add a user who may use the service."""
        self.oauth.add_user(name, *groups, admin=admin)
        self.hub.add_user(name, groups=list(groups), admin=admin)

    async def browser(self, user: str | None = None) -> Browser:
        """A browser. With a user, it is signed in and has opened the start page."""
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
        """Send a request with a token of a user or service; returns status and JSON body."""
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
    """A site with a database in the directory. The options are those of `Viewers`."""
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
        site.client = hub
        evaluator = PolicyEvaluator(lambda: site.policy, hub.hub_now, lambda: None, store=store)
        site.culler = Culler(
            hub,
            HubHealth(hub, 0, clock),
            evaluator,
            CullSettings(keep_servers=True),
            clock,
            audit=Audit(store),
        )
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
        viewers = Viewers(sign_in, hub, **options)
        setup_site(app, culler=site.culler, store=store, viewers=viewers, hub=hub)
        port = await stack.enter_async_context(serve(app, Bind()))
        site.app = app
        site.origin = f"http://127.0.0.1:{port}"
        async with site._stack:
            yield site


def form(page: Answer, action: str, number: int = 0) -> dict[str, str]:
    """The fields of a form of the page, as a browser would send them."""
    found = re.findall(rf'<form [^>]*action="{PREFIX}{action}".*?</form>', page.text, re.S)
    inputs = re.findall(r"<input[^>]*>", found[number])
    fields = {}
    for one in inputs:
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', one))
        fields[unescape(attributes["name"])] = unescape(attributes.get("value", ""))
    return fields


def text(page: Answer) -> str:
    """The text of the page's main part."""
    main = page.text.partition("<main")[2].partition(">")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


async def press(browser: Browser, action: str, number: int = 0, **changes: str) -> Answer:
    """Open the start page and press one of its buttons."""
    page = await browser.go(PREFIX)
    return await browser.post(PREFIX + action, form(page, action, number) | changes)
