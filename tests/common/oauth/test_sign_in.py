"""Signing in with the Hub: who has access, by which means, and no secret told."""

import io
import logging
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest

from common import logs
from tests.fakes.site import PREFIX, Site, begin, site

PAGE = PREFIX + "page"
API = PREFIX + "api/thing"


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


# -- access


async def test_without_the_access_scope_is_forbidden(cull: Site) -> None:
    """A token without the access scope gets 403, with no redirect to the login and back."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    for token in cull.hub.tokens.values():
        token.scopes = ["read:users:name!user=ada", "access:services!service=other"]
    cull.clock.advance(60)
    answer = await browser.go(PAGE, follow=False)
    assert answer.status == 403
    assert "not for you" in answer.text


@pytest.mark.parametrize("scopes", [[], ["access:services"], ["admin:users"]])
async def test_no_access_scopes_means_nobody(scopes: list[str]) -> None:
    """A service that was told no access scopes lets nobody in, however mighty."""
    async with site(access_scopes=frozenset()) as made:
        token = made.hub.add_token("ada", *scopes)
        browser = await made.browser("ada")
        header = {"Authorization": f"token {token}"}
        assert (await browser.fetch(API, headers=header)).status == 403
        assert (await browser.go(PAGE)).status == 403


async def test_broad_access_scope_lets_in(cull: Site) -> None:
    """access:services without a filter covers our service, another service's filter does not."""
    browser = await cull.browser()
    for scope, status in (("access:services", 200), ("access:services!service=stats", 403)):
        header = {"Authorization": f"token {cull.hub.add_token('ada', scope)}"}
        assert (await browser.fetch(API, headers=header)).status == status


async def test_admin_without_the_scope_stays_out(cull: Site) -> None:
    """Being an admin of the Hub opens nothing: scopes decide."""
    cull.hub.add_user("root", admin=True)
    header = {"Authorization": f"token {cull.hub.add_token('root', 'admin:users')}"}
    assert (await (await cull.browser()).fetch(API, headers=header)).status == 403


# -- scripts


@pytest.mark.parametrize("path", [PAGE, API])
async def test_script_gets_401_not_a_redirect(cull: Site, path: str) -> None:
    """A fetch by nobody gets 401 as JSON, and no state cookie."""
    answer = await (await cull.browser()).fetch(path)
    assert answer.status == 401
    assert answer.json()["status"] == 401
    assert "Set-Cookie" not in answer.headers


async def test_api_visited_by_a_browser_is_401(cull: Site) -> None:
    """The API never redirects to the login, not even a browser's visit."""
    assert (await (await cull.browser()).go(API)).status == 401


async def test_plain_client_gets_401(cull: Site) -> None:
    """curl without a token gets 401, not the Hub's login page."""
    answer = await (await cull.browser()).request("GET", PAGE, headers={"Accept": "*/*"})
    assert answer.status == 401


@pytest.mark.parametrize("scheme", ["token", "Bearer", "TOKEN"])
async def test_token_in_the_header(cull: Site, scheme: str) -> None:
    """A script with a Hub token that has access reads and writes without an XSRF token."""
    token = cull.hub.add_token("ada", "access:services!service=cull")
    browser = await cull.browser()
    header = {"Authorization": f"{scheme} {token}"}
    for method in ("GET", "POST"):
        answer = await browser.fetch(API, method=method, headers=header)
        assert (answer.status, answer.json()["name"]) == (200, "ada")


async def test_service_token(cull: Site) -> None:
    """Another service comes in with its own token, if it has access."""
    token = cull.hub.add_token("robot", "access:services", kind="service")
    browser = await cull.browser()
    answer = await browser.fetch(API, headers={"Authorization": f"token {token}"})
    assert answer.json()["name"] == "robot"


@pytest.mark.parametrize("value", ["token nonsense", "token ", "Basic YTpi", "token a b", "x"])
async def test_bad_header_token_is_401(cull: Site, value: str) -> None:
    """An Authorization header that names no token of the Hub's opens nothing."""
    answer = await (await cull.browser()).fetch(API, headers={"Authorization": value})
    assert answer.status == 401


async def test_bad_header_token_hides_the_cookie(cull: Site) -> None:
    """Who sends a token is judged by it alone, even with a good cookie beside it."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    answer = await browser.go(PAGE, follow=False, Authorization="token nonsense")
    assert answer.status != 200


async def test_token_in_the_address_is_ignored(cull: Site) -> None:
    """?token= is no way in, for pages, scripts and WebSockets alike."""
    token = cull.hub.add_token("ada", "access:services")
    browser = await cull.browser()
    assert (await browser.fetch(f"{API}?token={token}")).status == 401
    answer = await browser.fetch(
        f"{PREFIX}socket?token={token}",
        headers={"Upgrade": "websocket", "Sec-Fetch-Mode": "websocket", "Origin": cull.origin},
    )
    assert answer.status == 401


async def test_identify_lets_strangers_pass_as_nobody(cull: Site) -> None:
    """identify() says None for a stranger and for somebody without access."""
    browser = await cull.browser()
    assert (await browser.go(PREFIX + "whoever")).json()["name"] is None
    header = {"Authorization": f"token {cull.hub.add_token('eve')}"}
    assert (await browser.fetch(PREFIX + "whoever", headers=header)).json()["name"] is None


# -- secrets


async def test_no_secret_in_any_log(cull: Site) -> None:
    """Code, state, tokens, cookies and session ids stand in no line of the log, at any level."""
    stream = io.StringIO()
    logs.configure(level=logging.DEBUG, to=stream)
    try:
        browser = await cull.browser("ada")
        callback = await begin(browser, PAGE)
        query = parse_qs(urlsplit(callback).query)
        page = await browser.go(callback)
        await browser.post(PAGE, {"_xsrf": page.json()["xsrf"]})
        await browser.go(callback + "&error=x")
        await browser.go(f"{PREFIX}oauth_callback?code=SECRETCODE&state=SECRETSTATE")
        cull.hub.answer_with["api/user"] = (500, "oops")
        cull.clock.advance(31)
        await browser.go(PAGE)
    finally:
        logs.configure(level=logging.WARNING)
    text = stream.getvalue()
    assert "GET /services/cull/page 200" in text
    secrets = [*query["code"], *query["state"], "SECRETCODE", "SECRETSTATE", cull.hub.secret]
    secrets += [*cull.hub.tokens, page.json()["xsrf"], *browser.cookies().values()]
    for secret in secrets:
        assert secret not in text


async def test_no_referrer(cull: Site) -> None:
    """The callback's address, with code and state, is told to no other site."""
    browser = await cull.browser("ada")
    answer = await browser.go(await begin(browser, PAGE), follow=False)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_settings_do_not_show_their_secrets(cull: Site) -> None:
    """A settings object that ends up in a log shows neither token nor cookie secret."""
    from common.oauth.sign_in import OAuthSettings

    settings = OAuthSettings("http://x", "s3cret-token", "id", "/", frozenset())
    assert "s3cret" not in repr(settings)
    assert repr(settings.cookie_secret) not in repr(settings)
