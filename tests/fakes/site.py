"""A service behind the Hub's sign-in, on real sockets: fake Hub, application and browsers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web

from common.oauth.sign_in import OAuthSettings, SignIn
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.server import Bind, serve
from tests.fakes.clock import FakeClock
from tests.fakes.oauth import Browser, FakeOAuth

PREFIX = "/services/cull/"
PAGE = PREFIX + "page"
API = PREFIX + "api/thing"


class Site:
    """The parts of a running :func:`site`; it also opens browsers."""

    def __init__(self, hub: FakeOAuth, origin: str, clock: FakeClock, sign_in: SignIn) -> None:
        self.hub, self.origin, self.clock, self.sign_in = hub, origin, clock, sign_in
        self.stack = AsyncExitStack()

    async def browser(self, user: str | None = None) -> Browser:
        """A browser, signed in to the Hub (not yet to the service) as ``user``."""
        browser = await self.stack.enter_async_context(Browser(self.hub, self.origin))
        if user:
            await browser.log_in(user)
        return browser


@asynccontextmanager
async def site(
    *,
    prefix: str = PREFIX,
    hub: FakeOAuth | None = None,
    add_routes: Callable[[web.Application, SignIn], None] | None = None,
    **changes: Any,
) -> AsyncIterator[Site]:
    """Users ada and bob have access, eve has not. ``changes`` are those of OAuthSettings.

    Routes: page and api/thing (GET and POST; JSON with the identity and the XSRF token), fresh
    (GET, skips the cache), anyone (GET, without sign-in), socket (WebSocket).
    """
    async with AsyncExitStack() as stack:
        clock = FakeClock()
        if hub is None:
            hub = await stack.enter_async_context(FakeOAuth())
            for name in ("ada", "bob"):
                hub.add_user(name, "students")
            hub.add_user("eve", access=False)
        settings: dict[str, Any] = {
            "api_url": hub.api_url,
            "api_token": hub.secret,
            "client_id": hub.client_id,
            "prefix": prefix,
            "access_scopes": frozenset({"access:services!service=cull"}),
        }
        sign_in = SignIn(OAuthSettings(**(settings | changes)), clock)
        app = create_app(
            prefix=prefix,
            metrics=Metrics("cull"),
            readiness=Readiness(),
            sign_in=sign_in,
            authenticate_prometheus=True,
            admin_scope="custom:admin",
        )
        (add_routes or _add_routes)(app, sign_in)
        port = await stack.enter_async_context(serve(app, Bind()))
        made = Site(hub, f"http://127.0.0.1:{port}", clock, sign_in)
        stack.push_async_callback(made.stack.aclose)
        yield made


def _add_routes(app: web.Application, sign_in: SignIn) -> None:
    prefix = sign_in.settings.prefix

    async def page(request: web.Request) -> web.Response:
        identity = await sign_in.require(request, fresh=request.path.endswith("fresh"))
        return _respond(request, identity.name, identity.groups)

    async def anyone(request: web.Request) -> web.Response:
        identity = await sign_in.identify(request)
        return _respond(request, identity.name if identity else None)

    def _respond(request: web.Request, name: str | None, groups: Any = ()) -> web.Response:
        token = sign_in.xsrf_token(request)
        return web.json_response({"name": name, "groups": sorted(groups), "xsrf": token})

    async def socket(request: web.Request) -> web.StreamResponse:
        await sign_in.require(request)
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        await answer.close()
        return answer

    app.router.add_get(prefix, page)
    app.router.add_get(prefix + "page", page)
    app.router.add_post(prefix + "page", page)
    app.router.add_get(prefix + "fresh", page)
    app.router.add_get(prefix + "api/thing", page)
    app.router.add_post(prefix + "api/thing", page)
    app.router.add_get(prefix + "anyone", anyone)
    app.router.add_get(prefix + "socket", socket)


async def begin(browser: Browser, path: str) -> str:
    """Open a page and follow the redirects up to the callback; its URL, which is not visited."""
    to_hub = await browser.go(path, follow=False)
    back = await browser.go(to_hub.headers["Location"], follow=False)
    assert back.status == 302, back.text
    return str(back.headers["Location"])
