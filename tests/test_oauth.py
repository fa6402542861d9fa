"""Signing in with the Hub: who comes in, how, and what is refused."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from common.metrics import Metrics
from common.oauth import Identity, OAuthSettings, SignIn
from common.web import Bind, Readiness, create_app, serve
from tests.fakes.oauth import Browser, FakeOAuth

PREFIX = "/services/cull/"


class Site:
    """A fake Hub, a service behind its sign-in, and browsers."""

    def __init__(self, hub: FakeOAuth, sign_in: SignIn, origin: str, stack: AsyncExitStack) -> None:
        self.hub, self.sign_in, self.origin, self._stack = hub, sign_in, origin, stack
        self.seen: list[Identity] = []

    async def browser(self, user: str | None = None) -> Browser:
        browser = await self._stack.enter_async_context(Browser(self.hub, self.origin))
        if user:
            await browser.log_in(user)
        return browser


@asynccontextmanager
async def site(**changes: Any) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(FakeOAuth())
        settings = OAuthSettings(
            **{
                "api_url": hub.api_url,
                "api_token": hub.secret,
                "client_id": hub.client_id,
                "prefix": PREFIX,
                "access_scopes": frozenset({"access:services!service=cull"}),
            }
            | changes
        )
        sign_in = SignIn(settings)
        app = create_app(
            prefix=PREFIX,
            metrics=Metrics("cull"),
            readiness=Readiness(),
            sign_in=sign_in,
            authenticate_prometheus=True,
        )

        async def page(request: web.Request) -> web.Response:
            who = await sign_in.require(request)
            return web.json_response({"name": who.name, "xsrf": sign_in.xsrf_token(request)})

        app.router.add_get(PREFIX, page)
        app.router.add_get(PREFIX + "page", page)
        app.router.add_post(PREFIX + "page", page)
        app.router.add_get(PREFIX + "api/thing", page)
        app.router.add_post(PREFIX + "api/thing", page)
        port = await stack.enter_async_context(serve(app, Bind()))
        for name in ("ada", "bob"):
            hub.add_user(name, "students")
        yield Site(hub, sign_in, f"http://127.0.0.1:{port}", stack)


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


async def test_visitor_signed_in_at_hub_comes_in(cull: Site) -> None:
    """A person who is signed in at the Hub is let in and lands on the page they asked for."""
    browser = await cull.browser("ada")
    answer = await browser.go(PREFIX + "page?x=1&y=%2F")
    assert (answer.status, answer.json()["name"]) == (200, "ada")
    assert answer.url == PREFIX + "page?x=1&y=%2F"
