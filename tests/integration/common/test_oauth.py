"""Sign-in through a real JupyterHub and a real configurable-http-proxy."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import aiohttp
import pytest
from aiohttp import web

from common.oauth.sign_in import OAuthSettings, SignIn
from common.readiness import Readiness
from common.web.application import create_app
from common.web.metrics import Metrics
from common.web.server import Bind, serve
from tests.fakes.clock import FakeClock
from tests.integration.processes import free_port, proxy_command
from tests.integration.realhub import RealHub

NAME = "web"
TOKEN = "0123456789abcdef0123456789abcdef"
ODD = "q?x=1"
NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def hub(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    if proxy_command() is None:
        pytest.skip("configurable-http-proxy is missing: run `make setup`")
    made = RealHub(
        tmp_path_factory.mktemp("hub"),
        base_url="/base/",
        services=[
            {
                "name": NAME,
                "url": f"http://127.0.0.1:{port}",
                "api_token": TOKEN,
                "oauth_no_confirm": True,
            }
        ],
        roles=[
            {"name": "web-access", "groups": ["in"], "scopes": [f"access:services!service={NAME}"]}
        ],
        extra_config="c.JupyterHub.oauth_require_pkce = True",
        groups={"in": ["ada", "bob", ODD], "out": ["eve"]},
    )
    with ExitStack() as stack:
        with _placeholder_at(port):
            stack.enter_context(made)
        yield made


class _NotFound(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def _placeholder_at(port: int) -> Iterator[None]:
    """Respond at the service's port while the Hub starts: the Hub waits up to 30 s for that."""
    server = HTTPServer(("127.0.0.1", port), _NotFound)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Service:
    """A service that is registered with the Hub, and its clock."""

    url: str
    sign_in: SignIn
    clock: FakeClock


@pytest.fixture
async def service(hub: RealHub, port: int) -> AsyncIterator[Service]:
    prefix = f"/base/services/{NAME}/"
    clock = FakeClock()
    sign_in = SignIn(
        OAuthSettings(
            api_url=hub.api_url,
            api_token=TOKEN,
            client_id=f"service-{NAME}",
            prefix=prefix,
            access_scopes=frozenset({f"access:services!service={NAME}"}),
            public_hub_url="/base/hub/",
        ),
        clock,
    )

    async def page(request: web.Request) -> web.Response:
        identity = await sign_in.require(request, fresh=request.method == "POST")
        token = sign_in.xsrf_token(request)
        return web.json_response(
            {
                "name": identity.name,
                "groups": sorted(identity.groups),
                "admin": identity.admin,
                "xsrf": token,
            }
        )

    app = create_app(
        prefix=prefix,
        metrics=Metrics("web"),
        readiness=Readiness(),
        sign_in=sign_in,
        authenticate_prometheus=True,
        hub_url="/base/hub/",
    )
    app.router.add_get(prefix, page)
    app.router.add_post(prefix, page)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve(app, Bind(port=port)))
        yield Service(f"{hub.url}services/{NAME}/", sign_in, clock)


@pytest.mark.parametrize("name", ["ada", ODD])
async def test_user_signs_in(hub: RealHub, service: Service, name: str) -> None:
    """A member of the group signs in through the real Hub, with any valid name."""
    async with hub.login(name) as browser, browser.get(service.url, headers=NAVIGATE) as page:
        assert page.status == 200
        found = await page.json()
        assert (found["name"], found["groups"]) == (name, ["in"])
        assert str(page.url) == service.url


async def test_user_without_access_is_refused_by_the_hub(hub: RealHub, service: Service) -> None:
    """A user without access is refused by the Hub and gets no cookie of the service."""
    async with hub.login("eve") as browser, browser.get(service.url, headers=NAVIGATE) as page:
        assert page.status == 403
        assert not [c for c in browser.cookie_jar if c.key == f"service-{NAME}"]


async def test_admin_signs_in(hub: RealHub, service: Service) -> None:
    """An admin has every access scope, and the identity includes the admin flag."""
    async with hub.login(hub.admin) as browser, browser.get(service.url, headers=NAVIGATE) as page:
        found = await page.json()
        assert (found["name"], found["admin"]) == (hub.admin, True)


async def test_form_and_forged_form(hub: RealHub, service: Service) -> None:
    """A form is accepted with the page's XSRF token only."""
    async with hub.login("ada") as browser:
        async with browser.get(service.url, headers=NAVIGATE) as page:
            token = (await page.json())["xsrf"]
        for form, status in (({"_xsrf": token}, 200), ({}, 403), ({"_xsrf": "x"}, 403)):
            async with browser.post(service.url, headers=NAVIGATE, data=form) as answer:
                assert answer.status == status


async def test_script_with_a_token(hub: RealHub, service: Service) -> None:
    """A user's API token needs the access scope."""
    scope = f"access:services!service={NAME}"
    for scopes, status in (([scope], 200), (["self"], 403)):
        token = await hub.token(scopes, user="ada")
        headers = {"Authorization": f"token {token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.get(service.url) as answer:
                assert answer.status == status
            async with session.post(service.url) as answer:
                assert answer.status == status


async def test_metrics_by_scope(hub: RealHub, service: Service) -> None:
    """The metrics need a token with read:metrics."""
    for scopes, status in ((["read:metrics"], 200), (["read:users"], 403)):
        token = await hub.token(scopes)
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"token {token}"}) as session,
            session.get(service.url + "metrics") as answer,
        ):
            assert answer.status == status


async def test_sign_out_of_the_hub(hub: RealHub, service: Service) -> None:
    """Signing out of the Hub signs the user out of the service at once."""
    async with hub.login("bob") as browser:
        async with browser.get(service.url, headers=NAVIGATE) as page:
            assert page.status == 200
        async with browser.get(f"{hub.url}hub/logout") as page:
            assert page.status == 200
        async with browser.get(service.url, headers=NAVIGATE, allow_redirects=False) as page:
            assert page.status == 302


async def test_group_removal(hub: RealHub, service: Service) -> None:
    """A user removed from the group can read for up to 30 s, and write nothing at once."""
    await hub.create_user("carl", groups=["in"])
    async with hub.login("carl") as browser:
        async with browser.get(service.url, headers=NAVIGATE) as page:
            token = (await page.json())["xsrf"]
        await hub.leave_group("in", ["carl"])
        async with browser.post(service.url, headers=NAVIGATE, data={"_xsrf": token}) as answer:
            assert answer.status == 403
        service.clock.advance(31)
        async with browser.get(service.url, headers=NAVIGATE, allow_redirects=False) as page:
            assert page.status == 403


async def test_hub_restart(hub: RealHub, service: Service) -> None:
    """While the Hub is down, users get 503; afterwards they are still signed in."""
    async with hub.login("ada") as browser:
        async with browser.get(service.url, headers=NAVIGATE) as page:
            assert page.status == 200
        hub.stop()
        try:
            service.clock.advance(31)
            async with browser.get(service.url, headers=NAVIGATE, allow_redirects=False) as page:
                assert page.status == 503
                assert f"service-{NAME}" not in page.cookies
        finally:
            hub.start()
        async with browser.get(service.url, headers=NAVIGATE, allow_redirects=False) as page:
            assert page.status == 200


async def test_service_unknown_to_the_hub(hub: RealHub, port: int) -> None:
    """A service whose own token is unknown responds with 500 at the callback, not 403."""
    prefix = f"/base/services/{NAME}/"
    settings = OAuthSettings(
        api_url=hub.api_url,
        api_token="f" * 32,
        client_id=f"service-{NAME}",
        prefix=prefix,
        access_scopes=frozenset({f"access:services!service={NAME}"}),
        public_hub_url="/base/hub/",
    )
    sign_in = SignIn(settings)
    app = create_app(
        prefix=prefix,
        metrics=Metrics("web"),
        readiness=Readiness(),
        sign_in=sign_in,
        authenticate_prometheus=True,
    )

    async def page(request: web.Request) -> web.Response:
        await sign_in.require(request)
        return web.Response()

    app.router.add_get(prefix, page)
    async with serve(app, Bind(port=port)), hub.login("ada") as browser:
        url = f"{hub.url}services/{NAME}/"
        async with browser.get(url, headers=NAVIGATE) as answer:
            assert answer.status == 500
            assert "f" * 32 not in await answer.text()
