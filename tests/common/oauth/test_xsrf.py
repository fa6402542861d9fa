"""Requests that another page forged: the rules, and requests with a user's cookie."""

import pytest
from jupyterhub.services.auth import HubOAuth

from common.oauth.xsrf import is_cross_site_write, is_own_origin, needs_token
from tests.fakes.oauth import Browser
from tests.fakes.site import API, PAGE, PREFIX, Site

# -- the rules


@pytest.mark.parametrize(
    ("method", "mode", "site", "needed"),
    [
        pytest.param("GET", "navigate", "none", False, id="page-visited"),
        pytest.param("GET", "navigate", "cross-site", False, id="link-from-elsewhere"),
        pytest.param("HEAD", "navigate", "none", False, id="head"),
        pytest.param("GET", None, None, False, id="client-without-fetch-headers"),
        pytest.param("POST", None, None, True, id="post-without-fetch-headers"),
        pytest.param("POST", "navigate", "same-origin", True, id="form"),
        pytest.param("GET", "cors", "same-origin", True, id="fetch-by-any-page-of-the-origin"),
        pytest.param("GET", "same-origin", "same-origin", True, id="same-origin-fetch"),
        pytest.param("GET", "no-cors", "same-origin", False, id="own-image"),
        pytest.param("GET", "no-cors", "same-site", True, id="image-on-sister-site"),
        pytest.param("GET", "no-cors", "cross-site", True, id="image-elsewhere"),
        pytest.param("GET", "no-cors", None, True, id="no-cors-of-unknown-site"),
        pytest.param("POST", "no-cors", "same-origin", True, id="beacon"),
        pytest.param("DELETE", "cors", "same-origin", True, id="delete"),
        pytest.param("GET", "websocket", "same-origin", False, id="websocket"),
        pytest.param("POST", "websocket", "same-origin", True, id="no-real-websocket"),
        pytest.param("GET", "invented", "same-origin", True, id="unknown-mode"),
        pytest.param("post", "navigate", "none", True, id="lower-case"),
    ],
)
def test_needs_token(method: str, mode: str | None, site: str | None, needed: bool) -> None:
    """Navigations, plain clients and same-origin images need no token, as long as they read."""
    assert needs_token(method, mode, site) is needed


@pytest.mark.parametrize(
    ("method", "site", "expected"),
    [
        ("POST", "cross-site", True),
        ("POST", "same-site", True),
        ("POST", "same-origin", False),
        ("POST", "none", False),
        ("POST", None, False),
        ("GET", "cross-site", False),
    ],
)
def test_is_cross_site_write(method: str, site: str | None, expected: bool) -> None:
    """A write marked by the browser as sent by another site is one; a link is not."""
    assert is_cross_site_write(method, site) is expected


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("https://hub.example.org", True),
        ("https://HUB.example.org", True),
        ("https://hub.example.org:443", True),
        ("http://hub.example.org", False),
        ("https://hub.example.org:8443", False),
        ("https://hub.example.org.evil.net", False),
        ("https://evil.net", False),
        ("https://hub.example.org@evil.net", False),
        ("https://x@hub.example.org", False),
        ("https://hub.example.org/x", False),
        ("null", False),
        ("", False),
        (None, False),
        ("https://hub.example.org:x", False),
        ("ftp://hub.example.org", False),
    ],
)
def test_own_origin(origin: str | None, own: bool) -> None:
    """Scheme, host and port of an Origin must all equal those the browser sees."""
    assert is_own_origin(origin, scheme="https", host="hub.example.org") is own


def test_own_origin_needs_a_host() -> None:
    """Without a Host header, no Origin is accepted."""
    assert not is_own_origin("https://x", scheme="https", host="")


# -- requests with a user's cookie


async def signed_in(cull: Site, name: str = "ada") -> tuple[Browser, str]:
    """A browser that is signed in, and its XSRF token."""
    browser = await cull.browser(name)
    return browser, (await browser.go(PAGE)).json()["xsrf"]


async def test_form_with_the_token(cull: Site) -> None:
    """A form with the token is accepted, and the handler can still read it."""
    browser, token = await signed_in(cull)
    assert (await browser.post(PAGE, {"_xsrf": token, "x": "1"})).json()["name"] == "ada"


@pytest.mark.parametrize("header", ["X-XSRFToken", "X-CSRFToken", "x-xsrftoken"])
async def test_fetch_with_the_token(cull: Site, header: str) -> None:
    """A script that sends the token in a header reads and writes."""
    browser, token = await signed_in(cull)
    for method in ("GET", "POST"):
        answer = await browser.fetch(API, method=method, headers={header: token})
        assert answer.status == 200


async def test_token_in_the_query(cull: Site) -> None:
    """The token may be in the query, as on JupyterHub."""
    browser, token = await signed_in(cull)
    assert (await browser.fetch(f"{API}?_xsrf={token}", method="POST")).status == 200


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "nonsense", "utf-16"])
async def test_form_of_any_charset(cull: Site, charset: str) -> None:
    """A form in any charset is accepted or refused; it never causes an internal error."""
    browser, token = await signed_in(cull)
    headers = {
        "Content-Type": f"application/x-www-form-urlencoded; charset={charset}",
        "Sec-Fetch-Mode": "navigate",
    }
    body = f"_xsrf={token}&x=".encode() + b"\xff"
    answer = await browser.request("POST", PAGE, headers=headers, data=body)
    assert answer.status in (200, 400, 403)


async def test_form_without_the_token(cull: Site) -> None:
    """A form with the cookie but without the token is refused."""
    browser, _ = await signed_in(cull)
    answer = await browser.post(PAGE, {"x": "1"})
    assert answer.status == 403
    assert "Reload" in answer.text


@pytest.mark.parametrize("token", ["x", "\udcff", "☃", "0" * 5000])
async def test_invalid_token(cull: Site, token: str) -> None:
    """An invalid token is refused; it never causes an internal error."""
    browser, _ = await signed_in(cull)
    form = {"_xsrf": token.encode("utf-8", "replace").decode()}
    assert (await browser.post(PAGE, form)).status == 403


async def test_fetch_by_another_page_of_the_same_origin(cull: Site) -> None:
    """A script on a student's server has the same origin, but reads nothing without the token."""
    browser, _ = await signed_in(cull)
    for path in (PAGE, API):
        for method in ("GET", "POST"):
            answer = await browser.fetch(path, method=method)
            assert answer.status == 403
            assert "ada" not in answer.text


async def test_identify_ignores_the_cookie_of_a_forged_request(cull: Site) -> None:
    """identify() returns None for a fetch with the cookie but without the token."""
    browser, token = await signed_in(cull)
    path = PREFIX + "anyone"
    assert (await browser.fetch(path)).json()["name"] is None
    assert (await browser.fetch(path, token=token)).json()["name"] == "ada"


async def test_token_of_another_user(cull: Site) -> None:
    """An attacker's own token does not match the victim's session."""
    _, theirs = await signed_in(cull, "bob")
    browser, _ = await signed_in(cull)
    assert (await browser.post(PAGE, {"_xsrf": theirs})).status == 403


async def test_token_and_cookie_planted_by_an_attacker(cull: Site) -> None:
    """An attacker's token is refused even with their ``_xsrf`` cookie in the victim's browser."""
    attacker, theirs = await signed_in(cull, "bob")
    browser, _ = await signed_in(cull)
    cookies = browser.cookies() | {"_xsrf": attacker.cookies()["_xsrf"]}
    line = "; ".join(f'{name}="{value}"' for name, value in cookies.items())
    answer = await browser.post(PAGE, {"_xsrf": theirs}, Cookie=line)
    assert answer.status == 403


async def test_token_from_before_the_login(cull: Site) -> None:
    """The token changes with the login: an older one is refused."""
    browser = await cull.browser("ada")
    before = (await browser.go(PREFIX + "anyone")).json()["xsrf"]
    await browser.go(PAGE)
    assert (await browser.post(PAGE, {"_xsrf": before})).status == 403


async def test_token_from_before_a_new_login(cull: Site) -> None:
    """After another login, the tokens of older pages are refused."""
    browser, before = await signed_in(cull)
    await browser.go("/hub/logout")
    await browser.log_in("bob")
    after = (await browser.go(PAGE)).json()
    assert after["name"] == "bob"
    assert (await browser.post(PAGE, {"_xsrf": before})).status == 403
    assert (await browser.post(PAGE, {"_xsrf": after["xsrf"]})).status == 200


@pytest.mark.parametrize("site_header", ["cross-site", "same-site"])
async def test_write_from_another_site(cull: Site, site_header: str) -> None:
    """A write marked by the browser as cross-site is refused, even with the token."""
    browser, token = await signed_in(cull)
    answer = await browser.post(PAGE, {"_xsrf": token}, Sec_Fetch_Site=site_header)
    assert answer.status == 403


async def test_image(cull: Site) -> None:
    """Same-origin images and styles load without a token; on other sites they do not."""
    browser, _ = await signed_in(cull)
    for where, status in (("same-origin", 200), ("cross-site", 403)):
        headers = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Site": where}
        assert (await browser.request("GET", PAGE, headers=headers)).status == status


async def test_write_by_an_old_browser(cull: Site) -> None:
    """A browser that sends no Sec-Fetch headers needs the token for a write, too."""
    browser, token = await signed_in(cull)
    headers = {"Accept": "text/html"}
    assert (await browser.request("GET", PAGE, headers=headers)).status == 200
    assert (await browser.request("POST", PAGE, headers=headers)).status == 403
    answer = await browser.request("POST", PAGE, headers=headers, data={"_xsrf": token})
    assert answer.status == 200


async def test_write_when_signed_out_goes_to_the_login(cull: Site) -> None:
    """A form sent after the session ended leads to the login, then to the start page."""
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
    """A WebSocket with a cookie must come from a page of this origin."""
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


async def test_websockets_without_cookies(cull: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With JUPYTERHUB_ALLOW_WEBSOCKET_COOKIE_AUTH=0, a WebSocket needs a header token."""
    monkeypatch.setattr(HubOAuth, "allow_websocket_cookie_auth", False)
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
    """Behind a proxy that terminates TLS, the expected Origin is https."""
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
