"""Requests that another page forged: the rules, and requests with a user's cookie."""

import pytest
from jupyterhub.services.auth import HubOAuth

from common.oauth.refusal import Refusal, refuse_read
from common.oauth.xsrf import (
    Exposure,
    Fetch,
    is_cross_site_write,
    is_own_origin,
    make_token,
    needs_token,
)
from tests.fakes.oauth import Browser
from tests.fakes.site import API, PAGE, PREFIX, Site, site

# -- the rules


PRIVATE, EMBEDDED, PUBLIC = Exposure.PRIVATE, Exposure.EMBEDDED, Exposure.PUBLIC
PAGE_IN_TAB = Fetch("navigate", "same-origin", "document")
PICTURE = Fetch("no-cors", "same-origin", "image")


@pytest.mark.parametrize(
    ("method", "fetch", "exposure", "needed"),
    [
        pytest.param("GET", PAGE_IN_TAB, PRIVATE, False, id="page"),
        pytest.param("GET", PAGE_IN_TAB._replace(site="cross-site"), PRIVATE, False, id="link"),
        pytest.param("HEAD", PAGE_IN_TAB, PRIVATE, False, id="head"),
        pytest.param("GET", Fetch(), PRIVATE, True, id="client-without-fetch-headers"),
        pytest.param("GET", Fetch("navigate"), PRIVATE, True, id="no-destination"),
        pytest.param("GET", PAGE_IN_TAB._replace(preload=True), PRIVATE, True, id="preload"),
        pytest.param("POST", PAGE_IN_TAB, PRIVATE, True, id="form"),
        pytest.param("post", PAGE_IN_TAB, PRIVATE, True, id="lower-case"),
        *(
            pytest.param("GET", PAGE_IN_TAB._replace(dest=dest), exposure, True, id=f"{dest}-{n}")
            for dest in ("iframe", "frame", "embed", "object", "fencedframe", "empty")
            for n, exposure in enumerate((PRIVATE, EMBEDDED))
        ),
        *(
            pytest.param("GET", Fetch(mode, "same-origin", "empty"), EMBEDDED, True, id=mode)
            for mode in ("cors", "same-origin", "no-cors", "invented")
        ),
        *(
            pytest.param("GET", Fetch("no-cors", "same-origin", dest), EMBEDDED, False, id=dest)
            for dest in ("image", "style", "script", "font")
        ),
        *(
            pytest.param("GET", Fetch("no-cors", "same-origin", dest), EMBEDDED, True, id=dest)
            for dest in ("audio", "video", "track", "manifest", "worker", "xslt", "report")
        ),
        pytest.param("GET", PICTURE, PRIVATE, True, id="page-as-picture"),
        pytest.param("GET", PICTURE._replace(site="same-site"), EMBEDDED, True, id="sister-site"),
        pytest.param("GET", PICTURE._replace(site="cross-site"), EMBEDDED, True, id="elsewhere"),
        pytest.param("GET", PICTURE._replace(site=None), EMBEDDED, True, id="unknown-site"),
        pytest.param("POST", PICTURE._replace(dest="empty"), EMBEDDED, True, id="beacon"),
        pytest.param("GET", Fetch("cors", "same-origin", "empty"), PUBLIC, False, id="public"),
        pytest.param("GET", Fetch(), PUBLIC, False, id="public-without-fetch-headers"),
        pytest.param("POST", Fetch(), PUBLIC, True, id="public-write"),
        pytest.param("DELETE", Fetch("cors", "same-origin", "empty"), PRIVATE, True, id="delete"),
        pytest.param("GET", Fetch("websocket"), PRIVATE, False, id="websocket"),
        pytest.param("POST", Fetch("websocket"), PRIVATE, True, id="no-real-websocket"),
    ],
)
def test_needs_token(method: str, fetch: Fetch, exposure: Exposure, needed: bool) -> None:
    """Only pages in a tab, and content that is made for it, can be read without a token."""
    assert needs_token(method, fetch, exposure) is needed


FRAME = PAGE_IN_TAB._replace(dest="iframe")


@pytest.mark.parametrize(
    ("fetch", "frames", "plain_http", "expected"),
    [
        pytest.param(FRAME, False, True, Refusal.FRAMED, id="frame"),
        pytest.param(FRAME, True, False, None, id="frame-allowed"),
        pytest.param(Fetch(), True, False, Refusal.PLAIN_HTTP, id="plain-http"),
        pytest.param(Fetch("navigate"), True, False, Refusal.PLAIN_HTTP, id="old-browser"),
        pytest.param(Fetch(), False, True, None, id="plain-http-allowed"),
        pytest.param(
            PAGE_IN_TAB._replace(preload=True), True, True, Refusal.WORKER, id="worker-preloads"
        ),
        pytest.param(
            PAGE_IN_TAB._replace(dest="empty"), True, True, Refusal.WORKER, id="worker-fetches"
        ),
        pytest.param(
            Fetch("no-cors", "same-origin", "empty"), True, True, Refusal.OUTDATED_PAGE, id="fetch"
        ),
    ],
)
def test_refuse_read(
    fetch: Fetch, frames: bool, plain_http: bool, expected: Refusal | None
) -> None:
    """Two settings allow reads in frames and on plain HTTP; neither allows a script's fetch."""
    found = refuse_read(fetch, allow_frames=frames, allow_plain_http=plain_http)
    assert found is expected


@pytest.mark.attack("token_of_another_service")
@pytest.mark.parametrize("part", range(4))
def test_token_depends_on_every_part(part: int) -> None:
    """A token of another service, area, session or login differs, and so does a shifted text."""
    parts = ["service-cull", "", "session", "login"]
    token = make_token(b"secret", *parts)
    parts[part] += "x"
    assert make_token(b"secret", *parts) != token
    assert make_token(b"other", *parts) != make_token(b"secret", *parts)
    assert make_token(b"secret", "ab", "c") != make_token(b"secret", "a", "bc")


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


async def test_planted_xsrf_cookie_is_ignored(cull: Site) -> None:
    """The token is bound to the session: an attacker's does not match, whatever cookie is set."""
    _, theirs = await signed_in(cull, "bob")
    browser, own = await signed_in(cull)
    cookies = browser.cookies() | {"_xsrf": theirs}
    line = "; ".join(f'{name}="{value}"' for name, value in cookies.items())
    assert (await browser.post(PAGE, {"_xsrf": theirs}, Cookie=line)).status == 403
    assert (await browser.post(PAGE, {"_xsrf": own}, Cookie=line)).status == 200


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


@pytest.mark.parametrize("dest", ["image", "iframe", "empty", "style"])
async def test_page_in_another_page(cull: Site, dest: str) -> None:
    """A page cannot be loaded as part of another one, by any element, and no token is sent."""
    browser, token = await signed_in(cull)
    mode = "navigate" if dest == "iframe" else "no-cors"
    fetch = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": dest}
    for path in (PAGE, API, PREFIX + "logout"):
        answer = await browser.request("GET", path, headers=fetch)
        assert answer.status == 403
        assert token not in answer.text


@pytest.mark.attack("page_read_by_a_worker_of_the_origin")
async def test_page_opened_by_a_service_worker(cull: Site) -> None:
    """The worker of another page could read it, also if the browser itself opens it."""
    browser, token = await signed_in(cull)
    page = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"}
    assert (await browser.request("GET", PAGE, headers=page)).status == 200
    for changed in ({"Service-Worker-Navigation-Preload": "true"}, {"Sec-Fetch-Dest": "empty"}):
        answer = await browser.request("GET", PAGE, headers=page | changed)
        assert answer.status == 403
        assert token not in answer.text
        assert "service worker" in answer.text


@pytest.mark.attack("frames")
async def test_frames_can_be_allowed() -> None:
    """With the setting, a page can be shown in a frame; a fetch is still refused."""
    async with site(allow_frames=True) as made:
        browser, _ = await signed_in(made)
        assert (await browser.go(PAGE, Sec_Fetch_Dest="iframe")).status == 200
        assert (await browser.fetch(PAGE)).status == 403


async def test_plain_http(cull: Site) -> None:
    """A browser that sends no Sec-Fetch headers gets an explanation and no data."""
    browser, token = await signed_in(cull)
    headers = {"Accept": "text/html"}
    answer = await browser.request("GET", PAGE, headers=headers)
    assert answer.status == 403
    assert "--allow-plain-http" in answer.text
    assert token not in answer.text
    assert (await browser.request("GET", f"{PAGE}?_xsrf={token}", headers=headers)).status == 200
    assert (await browser.request("POST", PAGE, headers=headers)).status == 403
    answer = await browser.request("POST", PAGE, headers=headers, data={"_xsrf": token})
    assert answer.status == 200


@pytest.mark.attack("plain_http")
async def test_plain_http_can_be_allowed() -> None:
    """With the setting, reads need no Sec-Fetch headers; writes still need the token."""
    async with site(allow_plain_http=True) as made:
        browser, _ = await signed_in(made)
        headers = {"Accept": "text/html"}
        assert (await browser.request("GET", PAGE, headers=headers)).status == 200
        assert (await browser.request("POST", PAGE, headers=headers)).status == 403


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
