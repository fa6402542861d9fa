"""Requests that another page forged: they come with our cookie and are refused all the same."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.oauth import Browser
from tests.fakes.site import PREFIX, Site, site

PAGE = PREFIX + "page"
API = PREFIX + "api/thing"


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


async def signed_in(cull: Site, name: str = "ada") -> tuple[Browser, str]:
    """A browser that is signed in, and the token of its page."""
    browser = await cull.browser(name)
    return browser, (await browser.go(PAGE)).json()["xsrf"]


async def test_form_with_the_token(cull: Site) -> None:
    """A form of our page is accepted, and the handler can still read it."""
    browser, token = await signed_in(cull)
    assert (await browser.post(PAGE, {"_xsrf": token, "x": "1"})).json()["name"] == "ada"


@pytest.mark.parametrize("header", ["X-XSRFToken", "X-CSRFToken", "x-xsrftoken"])
async def test_fetch_with_the_token(cull: Site, header: str) -> None:
    """A script of our page that sends the token in a header reads and writes."""
    browser, token = await signed_in(cull)
    for method in ("GET", "POST"):
        answer = await browser.fetch(API, method=method, headers={header: token})
        assert answer.status == 200


async def test_token_in_the_query(cull: Site) -> None:
    """As on JupyterHub, the token may stand in the query."""
    browser, token = await signed_in(cull)
    assert (await browser.fetch(f"{API}?_xsrf={token}", method="POST")).status == 200


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "nonsense", "utf-16"])
async def test_form_of_any_charset(cull: Site, charset: str) -> None:
    """A form that says an odd charset is taken or refused, never an error of ours."""
    browser, token = await signed_in(cull)
    headers = {
        "Content-Type": f"application/x-www-form-urlencoded; charset={charset}",
        "Sec-Fetch-Mode": "navigate",
    }
    body = f"_xsrf={token}&x=".encode() + b"\xff"
    answer = await browser.request("POST", PAGE, headers=headers, data=body)
    assert answer.status in (200, 400, 403)


async def test_form_without_the_token(cull: Site) -> None:
    """A form that a page elsewhere sends with the cookie is refused."""
    browser, _ = await signed_in(cull)
    answer = await browser.post(PAGE, {"x": "1"})
    assert answer.status == 403
    assert "Reload" in answer.text


@pytest.mark.parametrize("token", ["x", "\udcff", "☃", "0" * 5000])
async def test_nonsense_token(cull: Site, token: str) -> None:
    """A token that is none is refused, not an error."""
    browser, _ = await signed_in(cull)
    form = {"_xsrf": token.encode("utf-8", "replace").decode()}
    assert (await browser.post(PAGE, form)).status == 403


async def test_fetch_by_another_page_of_the_same_origin(cull: Site) -> None:
    """A student's server has our origin: its scripts read nothing of ours without the token."""
    browser, _ = await signed_in(cull)
    for path in (PAGE, API):
        for method in ("GET", "POST"):
            answer = await browser.fetch(path, method=method)
            assert answer.status == 403
            assert "ada" not in answer.text


async def test_identify_takes_a_forged_request_for_nobodys(cull: Site) -> None:
    """identify() does not believe the cookie of a fetch without the token."""
    browser, token = await signed_in(cull)
    path = PREFIX + "whoever"
    assert (await browser.fetch(path)).json()["name"] is None
    assert (await browser.fetch(path, token=token)).json()["name"] == "ada"


async def test_token_of_another_user(cull: Site) -> None:
    """An attacker's own token does not fit the victim's session."""
    _, theirs = await signed_in(cull, "bob")
    browser, _ = await signed_in(cull)
    assert (await browser.post(PAGE, {"_xsrf": theirs})).status == 403


async def test_token_and_cookie_planted_by_an_attacker(cull: Site) -> None:
    """An attacker's token with their own _xsrf cookie planted beside it is refused."""
    attacker, theirs = await signed_in(cull, "bob")
    browser, _ = await signed_in(cull)
    cookies = browser.cookies() | {"_xsrf": attacker.cookies()["_xsrf"]}
    line = "; ".join(f'{name}="{value}"' for name, value in cookies.items())
    answer = await browser.post(PAGE, {"_xsrf": theirs}, Cookie=line)
    assert answer.status == 403


async def test_token_from_before_the_login(cull: Site) -> None:
    """The token changes with the login: one from before is worth nothing after."""
    browser = await cull.browser("ada")
    before = (await browser.go(PREFIX + "whoever")).json()["xsrf"]
    await browser.go(PAGE)
    assert (await browser.post(PAGE, {"_xsrf": before})).status == 403


async def test_token_from_before_a_new_login(cull: Site) -> None:
    """Signing in again, also as somebody else, makes older pages' tokens worthless."""
    browser, before = await signed_in(cull)
    await browser.go("/hub/logout")
    await browser.log_in("bob")
    after = (await browser.go(PAGE)).json()
    assert after["name"] == "bob"
    assert (await browser.post(PAGE, {"_xsrf": before})).status == 403
    assert (await browser.post(PAGE, {"_xsrf": after["xsrf"]})).status == 200


@pytest.mark.parametrize("site_header", ["cross-site", "same-site"])
async def test_write_from_another_site(cull: Site, site_header: str) -> None:
    """What a browser marks as another site's write is refused, even with a token."""
    browser, token = await signed_in(cull)
    answer = await browser.post(PAGE, {"_xsrf": token}, Sec_Fetch_Site=site_header)
    assert answer.status == 403


async def test_image_of_our_origin_is_shown(cull: Site) -> None:
    """Images and styles on our pages load without a token, elsewhere's do not."""
    browser, _ = await signed_in(cull)
    for where, status in (("same-origin", 200), ("cross-site", 403)):
        headers = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": where}
        assert (await browser.request("GET", PAGE, headers=headers)).status == status


async def test_write_by_an_old_browser(cull: Site) -> None:
    """A browser that sends no Sec-Fetch headers needs the token for a write all the same."""
    browser, token = await signed_in(cull)
    headers = {"Accept": "text/html"}
    assert (await browser.request("GET", PAGE, headers=headers)).status == 200
    assert (await browser.request("POST", PAGE, headers=headers)).status == 403
    answer = await browser.request("POST", PAGE, headers=headers, data={"_xsrf": token})
    assert answer.status == 200


async def test_write_when_signed_out_goes_to_the_login(cull: Site) -> None:
    """A form sent after the session ended leads to the login and then to the start page."""
    browser = await cull.browser("ada")
    answer = await browser.post(PAGE, {"x": "1"})
    assert (answer.status, answer.url) == (200, PREFIX)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://{host}", 101),
        ("https://{host}", 403),
        ("http://evil.example", 403),
        ("http://{host}.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_websocket_origin(cull: Site, origin: str, status: int) -> None:
    """A WebSocket with our cookie must come from a page of our origin."""
    browser, _ = await signed_in(cull)
    host = cull.origin.partition("//")[2]
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-Fetch-Mode": "websocket",
        "Sec-Fetch-Site": "same-origin",
    }
    if origin:
        headers["Origin"] = origin.format(host=host)
    assert (await browser.request("GET", PREFIX + "socket", headers=headers)).status == status


async def test_websockets_without_cookies_if_so_wished(
    cull: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JUPYTERHUB_ALLOW_WEBSOCKET_COOKIE_AUTH=0 holds here, too: a WebSocket then needs a token."""
    from common.oauth.hub_oauth import ServiceOAuth

    monkeypatch.setattr(ServiceOAuth, "allow_websocket_cookie_auth", False)
    browser, _ = await signed_in(cull)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": cull.origin,
    }
    assert (await browser.request("GET", PREFIX + "socket", headers=headers)).status == 401
    headers["Authorization"] = f"token {cull.hub.add_token('ada', 'access:services')}"
    assert (await browser.request("GET", PREFIX + "socket", headers=headers)).status == 101


async def test_websocket_behind_https(cull: Site) -> None:
    """Behind a proxy that ends TLS the page's origin is https, and so is the WebSocket's."""
    browser, _ = await signed_in(cull)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "X-Forwarded-Proto": "https",
        "Origin": cull.origin.replace("http:", "https:"),
    }
    assert (await browser.request("GET", PREFIX + "socket", headers=headers)).status == 101


@pytest.mark.parametrize("readable", [True, False])
async def test_xsrf_cookie_readable_only_if_wished(readable: bool) -> None:
    """Scripts can read the _xsrf cookie only where a page's own scripts need it."""
    async with site(xsrf_cookie_readable=readable) as made:
        browser = await made.browser("ada")
        await browser.go(PAGE)
        (cookie,) = (c for c in browser.session.cookie_jar if c.key == "_xsrf")
        assert bool(cookie["httponly"]) is not readable
        assert cookie["path"] == PREFIX


async def test_xsrf_token_ends_in_a_word_character(cull: Site) -> None:
    r"""Formgrader's script reads the cookie by ``_xsrf=([^;]*)\b``: no sign may be cut off."""
    for _ in range(5):
        _, token = await signed_in(cull)
        assert token[-1].isalnum()
