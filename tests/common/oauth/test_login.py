"""Signing in with the Hub: the way in and out, and what is refused on it."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import pytest
from yarl import URL

from tests.fakes.oauth import Answer
from tests.fakes.site import PREFIX, Site, begin, site

PAGE = PREFIX + "page"
API = PREFIX + "api/thing"


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


def query_of(answer: Answer) -> dict[str, str]:
    """The query of where an answer redirects to."""
    return {k: v[0] for k, v in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


# -- the way in


async def test_visitor_comes_in_and_lands_on_the_page(cull: Site) -> None:
    """A person who is signed in at the Hub is let in and lands on the very page they wanted."""
    browser = await cull.browser("ada")
    answer = await browser.go(PAGE + "?x=1&y=%2F")
    assert (answer.status, answer.json()["name"]) == (200, "ada")
    assert answer.url == PAGE + "?x=1&y=%2F"


async def test_stranger_is_sent_to_the_hubs_login(cull: Site) -> None:
    """A person who is signed in nowhere ends at the Hub's login page."""
    browser = await cull.browser()
    answer = await browser.go(PAGE)
    assert (answer.status, answer.text) == (401, "the Hub's login page")


async def test_login_address_is_as_registered(cull: Site) -> None:
    """The redirect leads to the Hub's authorize page with our id and the registered address."""
    answer = await (await cull.browser()).go(PAGE, follow=False)
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize?")
    query = query_of(answer)
    assert query["client_id"] == "service-cull"
    assert query["redirect_uri"] == PREFIX + "oauth_callback"
    assert query["response_type"] == "code"


async def test_hub_on_another_host() -> None:
    """With a public Hub URL the login is there."""
    async with site(public_hub_url="https://hub.example.org/base/hub/") as made:
        answer = await (await made.browser()).go(PAGE, follow=False)
        where = urlsplit(answer.headers["Location"])
        assert where.netloc == "hub.example.org"
        assert where.path == "/base/hub/api/oauth2/authorize"


async def test_login_page_of_ours_begins_a_login(cull: Site) -> None:
    """The login address signs in anew and leads to the start page, whatever next says."""
    browser = await cull.browser("ada")
    answer = await browser.go(PREFIX + "login?next=https://evil.example/")
    assert (answer.status, answer.url) == (200, PREFIX)


# -- PKCE


async def test_pkce_is_s256(cull: Site) -> None:
    """Every login sends a new S256 challenge, and the Hub's check of the verifier passes."""
    for name in ("ada", "bob"):
        assert (await (await cull.browser(name)).go(PAGE)).status == 200
    sent = cull.hub.authorizations
    assert {one["code_challenge_method"] for one in sent} == {"S256"}
    assert len({one["code_challenge"] for one in sent}) == 2
    assert all(len(one["code_challenge"]) == 43 for one in sent)


async def test_code_of_another_login_is_refused(cull: Site) -> None:
    """A stolen code, put into one's own login, does not fit the verifier: 400 and no cookie."""
    theirs = urlsplit(await begin(await cull.browser("ada"), PAGE))
    code = parse_qs(theirs.query)["code"][0]
    thief = await cull.browser("bob")
    own = urlsplit(await begin(thief, PAGE))
    state = parse_qs(own.query)["state"][0]
    answer = await thief.go(f"{own.path}?code={code}&state={state}")
    assert answer.status == 400
    assert "service-cull" not in thief.cookies()


# -- state


async def test_state_is_good_once(cull: Site) -> None:
    """A callback visited a second time is refused, whoever does it."""
    browser = await cull.browser("ada")
    callback = await begin(browser, PAGE)
    assert (await browser.go(callback)).status == 200
    other = await cull.browser("bob")
    assert (await other.go(callback)).status == 400


async def test_callback_again_when_signed_in_goes_on(cull: Site) -> None:
    """Who comes back to an old callback (Back button) but is signed in lands on the start."""
    browser = await cull.browser("ada")
    callback = await begin(browser, PAGE)
    await browser.go(callback)
    answer = await browser.go(callback)
    assert (answer.status, answer.url) == (200, PREFIX)


@pytest.mark.parametrize(("age", "status"), [(599, 200), (601, 400)])
async def test_state_lives_ten_minutes(cull: Site, age: int, status: int) -> None:
    """A login can be finished within 600 s, not later."""
    browser = await cull.browser("ada")
    callback = await begin(browser, PAGE)
    cull.clock.advance(age)
    assert (await browser.go(callback)).status == status


async def test_state_must_be_known_to_the_server(cull: Site) -> None:
    """A state that we did not make is refused before the Hub is asked."""
    browser = await cull.browser("ada")
    code = parse_qs(urlsplit(await begin(browser, PAGE)).query)["code"][0]
    answer = await browser.go(f"{PREFIX}oauth_callback?code={code}&state=forged")
    assert answer.status == 400
    assert cull.hub.count("api/oauth2/token") == 0


@pytest.mark.parametrize("query", ["", "?code=x", "?state=x", "?code=x&state="])
async def test_callback_without_its_arguments(cull: Site, query: str) -> None:
    """A callback without code or state gets a page that says to sign in again."""
    answer = await (await cull.browser("ada")).go(PREFIX + "oauth_callback" + query)
    assert answer.status == 400
    assert "sign in again" in answer.text


async def test_state_cookie_must_equal_the_argument(cull: Site) -> None:
    """A callback address sent to somebody else signs them in as nobody (login CSRF)."""
    callback = await begin(await cull.browser("bob"), PAGE)
    victim = await cull.browser("ada")
    await begin(victim, PAGE)
    answer = await victim.go(callback)
    assert answer.status == 403
    assert "service-cull" not in victim.cookies()
    assert cull.hub.count("api/oauth2/token") == 0


async def test_two_tabs_sign_in_at_once(cull: Site) -> None:
    """Two logins of one browser under way at the same time both end well."""
    browser = await cull.browser("ada")
    first, second = await begin(browser, PAGE + "?tab=1"), await begin(browser, PAGE + "?tab=2")
    for callback, tab in ((first, "1"), (second, "2")):
        answer = await browser.go(callback)
        assert (answer.status, answer.url) == (200, f"{PAGE}?tab={tab}")


async def test_unfinished_logins_do_not_pile_up_cookies(cull: Site) -> None:
    """However often a login is begun and left, few state cookies stay in the browser."""
    browser = await cull.browser()
    for _ in range(20):
        await browser.go(PAGE, follow=False)
    assert len([name for name in browser.cookies() if "oauth-state" in name]) <= 8


async def test_state_cookie_is_cleared(cull: Site) -> None:
    """After a login no state cookie is left."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    assert not [name for name in browser.cookies() if "oauth-state" in name]


async def test_hub_that_says_no(cull: Site) -> None:
    """An error of the Hub at the callback becomes a page of ours, without its words."""
    browser = await cull.browser("ada")
    state = query_of(await browser.go(PAGE, follow=False))["state"]
    answer = await browser.go(
        f"{PREFIX}oauth_callback?error=access_denied&error_description=EVIL&state={state}"
    )
    assert answer.status == 403
    assert "EVIL" not in answer.text


# -- next


async def test_callback_ignores_next(cull: Site) -> None:
    """A next in the callback's query changes nothing: it is held on the server."""
    browser = await cull.browser("ada")
    answer = await browser.go(await begin(browser, PAGE) + "&next=https://evil.example/")
    assert answer.url == PAGE


async def test_request_with_absolute_address(cull: Site) -> None:
    """A request line that names another host does not make us redirect there after login."""
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


# -- the way out


async def test_sign_out(cull: Site) -> None:
    """Signing out clears our cookies and says that the Hub's sign-in may still be there."""
    browser = await cull.browser("ada")
    token = (await browser.go(PAGE)).json()["xsrf"]
    answer = await browser.post(PREFIX + "logout", {"_xsrf": token})
    assert answer.status == 200
    assert "/hub/logout" in answer.text
    assert "service-cull" not in browser.cookies()
    assert "_xsrf" not in browser.cookies()


async def test_cookie_copied_before_the_sign_out_is_dead(cull: Site) -> None:
    """After the sign-out the old cookie, and the token in it, open nothing any more."""
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


async def test_sign_out_needs_a_page_of_ours(cull: Site) -> None:
    """Nobody can be signed out by a link, or by a form on another page."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    assert "Sign out" in (await browser.go(PREFIX + "logout")).text
    assert (await browser.post(PREFIX + "logout", {})).status == 403
    assert (await browser.go(PAGE, follow=False)).status == 200


async def test_sign_in_again_after_sign_out(cull: Site) -> None:
    """After a sign-out one can sign in again, with a token of its own."""
    browser = await cull.browser("ada")
    token = (await browser.go(PAGE)).json()["xsrf"]
    await browser.post(PREFIX + "logout", {"_xsrf": token})
    assert (await browser.go(PAGE)).json()["name"] == "ada"
