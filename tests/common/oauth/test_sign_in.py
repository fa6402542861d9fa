"""Sign-in through the Hub: login and logout, access, scripts with tokens, and no leaked secret."""

import asyncio
import io
import logging
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from common import logs
from tests.fakes.oauth import Answer
from tests.fakes.site import API, PAGE, PREFIX, Site, begin, site


def query_of(answer: Answer) -> dict[str, str]:
    """The query of the URL that a response redirects to."""
    return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


# -- login


async def test_login_leads_back_to_the_page(cull: Site) -> None:
    """A user who is signed in to the Hub is let in and lands on the page they opened."""
    browser = await cull.browser("ada")
    answer = await browser.go(PAGE + "?x=1&y=%2F")
    assert (answer.status, answer.json()["name"]) == (200, "ada")
    assert answer.url == PAGE + "?x=1&y=%2F"


async def test_anonymous_user_ends_at_the_hubs_login(cull: Site) -> None:
    """A user who is not signed in to the Hub ends at its login page."""
    browser = await cull.browser()
    answer = await browser.go(PAGE)
    assert (answer.status, answer.text) == (401, "the Hub's login page")


async def test_redirect_to_the_hub(cull: Site) -> None:
    """The redirect names this client's id and the registered callback."""
    answer = await (await cull.browser()).go(PAGE, follow=False)
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    query = query_of(answer)
    assert query["client_id"] == "service-cull"
    assert query["redirect_uri"] == PREFIX + "oauth_callback"
    assert query["response_type"] == "code"


async def test_hub_on_another_host() -> None:
    """With a public Hub URL, the login is there."""
    async with site(public_hub_url="https://hub.example.org/base/hub/") as made:
        answer = await (await made.browser()).go(PAGE, follow=False)
        where = urlsplit(answer.headers["Location"])
        assert where.netloc == "hub.example.org"
        assert where.path == "/base/hub/api/oauth2/authorize"


async def test_login_route_ignores_next(cull: Site) -> None:
    """The login route leads to the start page, whatever its ``next`` argument is."""
    browser = await cull.browser("ada")
    answer = await browser.go(PREFIX + "login?next=https://evil.example/")
    assert (answer.status, answer.url) == (200, PREFIX)


async def test_pkce_is_s256(cull: Site) -> None:
    """Every login sends a new S256 challenge, and its verifier passes the Hub's check."""
    for name in ("ada", "bob"):
        assert (await (await cull.browser(name)).go(PAGE)).status == 200
    sent = cull.hub.authorizations
    assert {one["code_challenge_method"] for one in sent} == {"S256"}
    assert len({one["code_challenge"] for one in sent}) == 2
    assert all(len(one["code_challenge"]) == 43 for one in sent)


async def test_code_of_another_login_is_refused(cull: Site) -> None:
    """A stolen code in the thief's own login does not match the verifier: 400, no cookie."""
    theirs = urlsplit(await begin(await cull.browser("ada"), PAGE))
    code = parse_qs(theirs.query)["code"][0]
    thief = await cull.browser("bob")
    own = urlsplit(await begin(thief, PAGE))
    state = parse_qs(own.query)["state"][0]
    answer = await thief.go(f"{own.path}?code={code}&state={state}")
    assert answer.status == 400
    assert "sign in again" in answer.text
    assert "service-cull" not in thief.cookies()


async def test_state_is_valid_once(cull: Site) -> None:
    """A second visit to a callback is refused, in any browser."""
    browser = await cull.browser("ada")
    callback = await begin(browser, PAGE)
    assert (await browser.go(callback)).status == 200
    other = await cull.browser("bob")
    assert (await other.go(callback)).status == 400


async def test_old_callback_while_signed_in(cull: Site) -> None:
    """A signed-in user who returns to an old callback (Back button) lands on the start page."""
    browser = await cull.browser("ada")
    callback = await begin(browser, PAGE)
    await browser.go(callback)
    answer = await browser.go(callback)
    assert (answer.status, answer.url) == (200, PREFIX)


@pytest.mark.parametrize(("age", "status"), [(599, 200), (601, 400)])
async def test_login_expires_after_ten_minutes(cull: Site, age: int, status: int) -> None:
    """A login can be finished within 600 s."""
    browser = await cull.browser("ada")
    callback = await begin(browser, PAGE)
    cull.clock.advance(age)
    assert (await browser.go(callback)).status == status


async def test_forged_state(cull: Site) -> None:
    """An unknown state is refused before the Hub is asked."""
    browser = await cull.browser("ada")
    code = parse_qs(urlsplit(await begin(browser, PAGE)).query)["code"][0]
    answer = await browser.go(f"{PREFIX}oauth_callback?code={code}&state=forged")
    assert answer.status == 400
    assert cull.hub.count("api/oauth2/token") == 0


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?code=x&state="])
async def test_callback_without_arguments(cull: Site, query: str) -> None:
    """A callback without code or state shows a page that says to sign in again."""
    answer = await (await cull.browser("ada")).go(PREFIX + "oauth_callback" + query)
    assert answer.status == 400
    assert "sign in again" in answer.text


async def test_state_cookie_must_match(cull: Site) -> None:
    """A callback URL sent to another user does not sign them in (login CSRF)."""
    callback = await begin(await cull.browser("bob"), PAGE)
    victim = await cull.browser("ada")
    await begin(victim, PAGE)
    answer = await victim.go(callback)
    assert answer.status == 400
    assert "another browser" in answer.text
    assert "service-cull" not in victim.cookies()
    assert cull.hub.count("api/oauth2/token") == 0


@pytest.mark.attack("logins_evicted")
async def test_logins_in_progress_survive_any_number_of_others(cull: Site) -> None:
    """10,050 anonymous requests do not evict a login: the server keeps nothing about it."""
    browser = await cull.browser("ada")
    callback = await begin(browser, PAGE)
    request = make_mocked_request("GET", PREFIX + "login")
    for _ in range(10_050):
        with pytest.raises(web.HTTPFound):
            await cull.sign_in.begin_login(request)
    assert (await browser.go(callback)).status == 200


@pytest.mark.parametrize("length", [1500, 1990])
async def test_long_address(cull: Site, length: int) -> None:
    """Logins for long addresses in eight tabs do not fill the browser's cookies."""
    browser = await cull.browser("ada")
    target = f"{PAGE}?x=".ljust(length, "x")
    for _ in range(8):
        callback = await begin(browser, target)
    assert sum(map(len, browser.cookies().values())) < 6000
    answer = await browser.go(callback)
    assert (answer.status, answer.url) == (200, target)


async def test_logins_in_two_tabs(cull: Site) -> None:
    """Two logins of one browser that overlap both succeed."""
    browser = await cull.browser("ada")
    first, second = await begin(browser, PAGE + "?tab=1"), await begin(browser, PAGE + "?tab=2")
    for callback, tab in ((first, "1"), (second, "2")):
        answer = await browser.go(callback)
        assert (answer.status, answer.url) == (200, f"{PAGE}?tab={tab}")


async def test_hub_denies_access(cull: Site) -> None:
    """An error from the Hub at the callback is shown without the text in its query."""
    browser = await cull.browser("ada")
    state = query_of(await browser.go(PAGE, follow=False))["state"]
    answer = await browser.go(
        f"{PREFIX}oauth_callback?error=access_denied&error_description=EVIL&state={state}"
    )
    assert answer.status == 403
    assert "EVIL" not in answer.text


async def test_callback_ignores_next(cull: Site) -> None:
    """A ``next`` in the callback's query is ignored: the path is in the signed cookie."""
    browser = await cull.browser("ada")
    answer = await browser.go(await begin(browser, PAGE) + "&next=https://evil.example/")
    assert answer.url == PAGE


async def test_request_line_with_another_host(cull: Site) -> None:
    """A request line with another host does not lead there after the login."""
    where = urlsplit(cull.origin)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(
        b"GET http://evil.example" + PAGE.encode() + b" HTTP/1.1\r\nHost: x\r\n"
        b"Accept: text/html\r\nConnection: close\r\n\r\n"
    )
    head = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    assert head.startswith("HTTP/1.1 302")
    location = next(line for line in head.splitlines() if line.startswith("Location:"))
    assert "evil" not in location.split("state=")[0]
    browser = await cull.browser("ada")
    for line in head.splitlines():
        if line.startswith("Set-Cookie:"):
            cookie = SimpleCookie(line.partition(":")[2])
            browser.session.cookie_jar.update_cookies(cookie, URL(cull.origin + PAGE))
    back = await browser.go(location.partition(" ")[2], follow=False)
    answer = await browser.go(back.headers["Location"], follow=False)
    assert answer.headers["Location"] == PREFIX


# -- logout


async def test_logout(cull: Site) -> None:
    """A logout clears the cookies and points to the Hub's own logout."""
    browser = await cull.browser("ada")
    token = (await browser.go(PAGE)).json()["xsrf"]
    answer = await browser.post(PREFIX + "logout", {"_xsrf": token})
    assert answer.status == 200
    assert "/hub/logout" in answer.text
    assert "service-cull" not in browser.cookies()


async def test_cookie_copied_before_the_logout_is_worthless(cull: Site) -> None:
    """After a logout, neither the old cookie nor the token in it gives access."""
    browser = await cull.browser("ada")
    token = (await browser.go(PAGE)).json()["xsrf"]
    session = browser.cookies()["jupyterhub-session-id"]
    stolen = f'service-cull="{browser.cookies()["service-cull"]}"; jupyterhub-session-id={session}'
    thief = await cull.browser()
    assert (await thief.go(PAGE, follow=False, Cookie=stolen)).status == 200
    await browser.post(PREFIX + "logout", {"_xsrf": token})
    assert (await thief.go(PAGE, follow=False, Cookie=stolen)).status == 302
    (oauth_token,) = cull.hub.tokens
    answer = await thief.fetch(API, headers={"Authorization": f"token {oauth_token}"})
    assert answer.status == 401


async def test_logout_needs_the_xsrf_token(cull: Site) -> None:
    """No link and no form on another page can sign a user out."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    assert "Sign out" in (await browser.go(PREFIX + "logout")).text
    assert (await browser.post(PREFIX + "logout", {})).status == 403
    assert (await browser.go(PAGE, follow=False)).status == 200


async def test_logout_while_signed_out(cull: Site) -> None:
    """A logout without a session leads to the same page and needs no XSRF token."""
    answer = await (await cull.browser()).post(PREFIX + "logout", {})
    assert (answer.status, answer.url) == (200, PREFIX + "logout")
    assert "You are signed out of this service" in answer.text


async def test_login_after_a_logout(cull: Site) -> None:
    """A user can sign in again after signing out, with a new token."""
    browser = await cull.browser("ada")
    token = (await browser.go(PAGE)).json()["xsrf"]
    await browser.post(PREFIX + "logout", {"_xsrf": token})
    assert (await browser.go(PAGE)).json()["name"] == "ada"
    assert len(cull.hub.tokens) == 2


# -- access


async def test_token_without_the_access_scope(cull: Site) -> None:
    """A session without the access scope gets 403, not a redirect to the login."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    for token in cull.hub.tokens.values():
        token.scopes = ["read:users:name!user=ada", "access:services!service=other"]
    cull.clock.advance(60)
    answer = await browser.go(PAGE, follow=False)
    assert answer.status == 403
    assert "you do not have access" in answer.text


@pytest.mark.parametrize("scopes", [[], ["access:services"], ["admin:users"]])
async def test_no_access_scopes_let_no_one_in(scopes: list[str]) -> None:
    """A service without access scopes lets no one in, whatever their own scopes are."""
    async with site(access_scopes=frozenset()) as made:
        token = made.hub.add_token("ada", *scopes)
        browser = await made.browser("ada")
        header = {"Authorization": f"token {token}"}
        assert (await browser.fetch(API, headers=header)).status == 403
        assert (await browser.go(PAGE)).status == 403


async def test_scope_filters_are_respected(cull: Site) -> None:
    """access:services covers this service; the same scope filtered to another one does not."""
    browser = await cull.browser()
    for scope, status in (("access:services", 200), ("access:services!service=stats", 403)):
        header = {"Authorization": f"token {cull.hub.add_token('ada', scope)}"}
        assert (await browser.fetch(API, headers=header)).status == status


async def test_admin_without_the_scope_has_no_access(cull: Site) -> None:
    """An admin of the Hub needs the access scope, too."""
    cull.hub.add_user("root", admin=True)
    header = {"Authorization": f"token {cull.hub.add_token('root', 'admin:users')}"}
    assert (await (await cull.browser()).fetch(API, headers=header)).status == 403


# -- scripts


@pytest.mark.parametrize("path", [PAGE, API])
async def test_script_gets_401_instead_of_a_redirect(cull: Site, path: str) -> None:
    """An anonymous fetch gets 401 as JSON, and no state cookie."""
    answer = await (await cull.browser()).fetch(path)
    assert answer.status == 401
    assert answer.json()["status"] == 401
    assert answer.headers["WWW-Authenticate"].startswith("token")
    assert "Set-Cookie" not in answer.headers


async def test_api_never_redirects_to_the_login(cull: Site) -> None:
    """A browser that opens an API path gets 401."""
    assert (await (await cull.browser()).go(API)).status == 401


async def test_curl_gets_401(cull: Site) -> None:
    """A client such as curl gets 401 without a token, not the Hub's login page."""
    answer = await (await cull.browser()).request("GET", PAGE, headers={"Accept": "*/*"})
    assert answer.status == 401


@pytest.mark.parametrize("scheme", ["token", "Bearer", "TOKEN"])
async def test_header_token(cull: Site, scheme: str) -> None:
    """A script with a Hub token that has access reads and writes without an XSRF token."""
    token = cull.hub.add_token("ada", "access:services!service=cull")
    browser = await cull.browser()
    header = {"Authorization": f"{scheme} {token}"}
    for method in ("GET", "POST"):
        answer = await browser.fetch(API, method=method, headers=header)
        assert (answer.status, answer.json()["name"]) == (200, "ada")


async def test_token_of_a_service(cull: Site) -> None:
    """Another service can use its own token if it has access."""
    token = cull.hub.add_token("robot", "access:services", kind="service")
    browser = await cull.browser()
    answer = await browser.fetch(API, headers={"Authorization": f"token {token}"})
    assert answer.json()["name"] == "robot"


@pytest.mark.parametrize("value", ["token nonsense", "token ", "Basic YTpi", "token a b", "x"])
async def test_bad_header_token(cull: Site, value: str) -> None:
    """An Authorization header without a valid Hub token gives no access."""
    answer = await (await cull.browser()).fetch(API, headers={"Authorization": value})
    assert answer.status == 401


async def test_header_token_takes_precedence(cull: Site) -> None:
    """A client that sends a bad token is refused even if its cookie is valid."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    answer = await browser.go(PAGE, follow=False, Authorization="token nonsense")
    assert answer.status == 302


async def test_token_in_the_query_is_ignored(cull: Site) -> None:
    """``?token=`` gives no access to pages, scripts or WebSockets: URLs end up in logs."""
    token = cull.hub.add_token("ada", "access:services")
    browser = await cull.browser()
    assert (await browser.fetch(f"{API}?token={token}")).status == 401
    answer = await browser.fetch(
        f"{PREFIX}socket?token={token}",
        headers={"Upgrade": "websocket", "Sec-Fetch-Mode": "websocket", "Origin": cull.origin},
    )
    assert answer.status == 401


async def test_identify_without_access(cull: Site) -> None:
    """identify() returns None for anonymous requests and for users without access."""
    browser = await cull.browser()
    assert (await browser.go(PREFIX + "anyone")).json()["name"] is None
    header = {"Authorization": f"token {cull.hub.add_token('eve')}"}
    assert (await browser.fetch(PREFIX + "anyone", headers=header)).json()["name"] is None


# -- secrets


async def test_no_secret_is_logged(cull: Site) -> None:
    """No code, state, token, cookie or session id is logged, at any level."""
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


async def test_callback_url_is_not_passed_on(cull: Site) -> None:
    """The callback's URL, with code and state, is sent to no other site and is not cached."""
    browser = await cull.browser("ada")
    answer = await browser.go(await begin(browser, PAGE), follow=False)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
