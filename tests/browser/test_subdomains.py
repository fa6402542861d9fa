"""Services at https://<service>--service.<domain>: sign-in, pages and changes, and the attackers.

A small reverse proxy terminates TLS in front of the Hub's proxy, with a certificate of its own.
"""

import datetime
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.async_api import BrowserContext, Page, async_playwright, expect
from yarl import URL

from common.web.server import Bind, serve
from tests.browser.conftest import ARGUMENTS, CHROMIUM, cull_config
from tests.browser.hostile_page import EVE, READS, run, start_hostile_server
from tests.integration.conftest import needs_proxy
from tests.integration.processes import free_port
from tests.integration.realhub import RealHub

DOMAIN = "hub.test"
RULES = f"--host-resolver-rules=MAP {DOMAIN} 127.0.0.1, MAP *.{DOMAIN} 127.0.0.1"


class Place(NamedTuple):
    """A hub with subdomains, and the port at which browsers reach it."""

    hub: RealHub
    port: int

    def url(self, host: str, path: str) -> str:
        """The address of a path at a subdomain; "" for the Hub's own host."""
        return f"https://{host + '.' if host else ''}{DOMAIN}:{self.port}/{path}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    needs_proxy()
    if CHROMIUM is None:
        pytest.skip("no browser here: apt-get install chromium")
    directory, port = tmp_path_factory.mktemp("subdomains"), free_port()
    config = f"c.JupyterHub.subdomain_host = 'https://{DOMAIN}:{port}'\n" + cull_config(
        timeout=3600, db_url=f"sqlite:///{directory}/cull.sqlite"
    )
    with RealHub(directory, extra_config=config, domain=DOMAIN) as hub:
        yield Place(hub, port)


def certificate(directory: Path) -> ssl.SSLContext:
    """A server's TLS context with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = directory / "tls.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.fixture
async def context(place: Place, tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """A browser that reaches the hub through TLS."""

    async def forward(request: web.Request) -> web.Response:
        url = URL(place.hub.url.rstrip("/") + request.raw_path, encoded=True)
        headers = request.headers.copy()
        headers["X-Forwarded-Proto"] = "https"
        body = await request.read()
        async with session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            kept = answer.headers.copy()
            for name in ("Content-Length", "Transfer-Encoding", "Content-Encoding"):
                kept.popall(name, None)
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", forward)
    async with AsyncExitStack() as stack:
        jar = aiohttp.DummyCookieJar()
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        await stack.enter_async_context(
            serve(app, Bind(port=place.port, ssl=certificate(tmp_path)))
        )
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, RULES]
        )
        stack.push_async_callback(browser.close)
        yield await browser.new_context(ignore_https_errors=True)


async def sign_in(place: Place, context: BrowserContext) -> Page:
    """Open the culler's page as an administrator, who signs in at the Hub's own host."""
    page = await context.new_page()
    page.set_default_timeout(30_000)
    await page.goto(place.url("cull--service", "services/cull/"))
    assert page.url.startswith(place.url("", "hub/login"))
    await page.fill("input[name=username]", place.hub.admin)
    await page.fill("input[name=password]", "any")
    await page.click("#login_submit")
    await page.wait_for_url(place.url("cull--service", "services/cull/"))
    return page


async def test_sign_in_page_and_change(place: Place, context: BrowserContext) -> None:
    """An administrator signs in and holds a user; the cookies have the prefix __Host-."""
    await place.hub.create_user("ana")
    page = await sign_in(place, context)
    cookies = await context.cookies(page.url)
    token = next(cookie for cookie in cookies if "service-cull" in cookie["name"])
    assert token["name"] == "__Host-service-cull"
    assert (token["path"], token["secure"], token["httpOnly"]) == ("/", True, True)
    await page.goto(place.url("cull--service", "services/cull/holds"))
    await page.get_by_label("What to hold").select_option("user")
    await page.get_by_label("User or group").fill("ana")
    await page.get_by_role("button", name="Add hold").click()
    await expect(page.get_by_role("status")).to_have_text("The hold has been added.")


@pytest.mark.attack("page_on_a_subdomain")
async def test_a_students_page_has_another_origin(place: Place, context: BrowserContext) -> None:
    """It reads neither the culler's pages nor the Hub's, and cannot replace the cookies."""
    await start_hostile_server(place.hub)
    own = await sign_in(place, context)
    page = await context.new_page()
    await page.goto(place.url(EVE, f"user/{EVE}/page.html"))
    await expect(page.get_by_text("Look at this!")).to_be_visible()
    targets = [place.url("cull--service", "services/cull/"), place.url("", "hub/token")]
    for how in ("fetch", "fetch-no-cors", "iframe", "object"):
        for target in targets:
            text = await run(page, READS[how], target)
            assert "_xsrf" not in text, how
    window = """async url => {
        const opened = open(url);
        await new Promise(done => setTimeout(done, 2000));
        return opened.document.documentElement.outerHTML;
    }"""
    for target in targets:
        assert await run(page, window, target) == ""
    planted = json.dumps(f"__Host-service-cull=x; Secure; Path=/; Domain={DOMAIN}")
    await page.evaluate(f"document.cookie = {planted}")
    await own.reload()
    await expect(own.locator("form.account")).to_contain_text(place.hub.admin)
