"""The cookies of signing in: where they go, and whose they are."""

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import pytest
from jupyterhub.services.auth import HubAuth, HubOAuth

from tests.fakes.oauth import Answer
from tests.fakes.site import PREFIX, Site, begin, site

PAGE = PREFIX + "page"
API = PREFIX + "api/thing"


@pytest.fixture
async def cull() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


def cookies_set(answer: Answer) -> SimpleCookie:
    """The cookies that an answer sets."""
    cookies = SimpleCookie()
    for line in answer.headers.getall("Set-Cookie", ()):
        cookies.load(line)
    return cookies


# -- cookies


async def test_cookie_attributes(cull: Site) -> None:
    """Our cookies are HttpOnly, below our prefix, SameSite=Lax, and plain over plain http."""
    browser = await cull.browser("ada")
    state = cookies_set(await browser.go(PAGE, follow=False))
    signed_in = cookies_set(await browser.go(await begin(browser, PAGE), follow=False))
    assert {"service-cull", "_xsrf"} <= signed_in.keys()
    for name, cookie in [*state.items(), *signed_in.items()]:
        assert cookie["path"] == PREFIX, name
        if cookie.value:  # what is cleared needs only its path
            assert (cookie["samesite"], cookie["httponly"]) == ("Lax", True), name
        assert not cookie["secure"], name


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({"X_Forwarded_Proto": "https"}, True),
        ({"X_Forwarded_Proto": "https,http"}, True),
        ({"X_Forwarded_Proto": "http,https"}, False),
        ({"X_Scheme": "https"}, True),
        ({"Forwarded": "for=1.2.3.4;proto=https, for=2;proto=http"}, True),
        ({}, False),
    ],
)
async def test_cookies_are_secure_behind_https(
    cull: Site, headers: dict[str, str], secure: bool
) -> None:
    """Cookies are Secure where the outermost proxy spoke https with the browser."""
    browser = await cull.browser("ada")
    began = await browser.go(PAGE, follow=False, **headers)
    state = cookies_set(began)
    assert all(bool(cookie["secure"]) is secure for cookie in state.values())
    back = await browser.go(began.headers["Location"], follow=False)
    line = "; ".join(f"{k}={v.coded_value}" for k, v in state.items())
    ended = await browser.go(back.headers["Location"], follow=False, Cookie=line, **headers)
    signed_in = cookies_set(ended)
    assert {"service-cull", "_xsrf"} <= signed_in.keys(), ended.text
    assert all(bool(signed_in[n]["secure"]) is secure for n in ("service-cull", "_xsrf"))


async def test_host_prefixed_cookies() -> None:
    """With the __Host- prefix cookies are Secure and on the path /, as browsers demand."""
    async with site(cookie_host_prefix=True) as made:
        answer = await (await made.browser("ada")).go(PAGE, follow=False)
        (state,) = (c for n, c in cookies_set(answer).items() if n.startswith("__Host-"))
        assert (state["path"], bool(state["secure"])) == ("/", True)


async def test_changed_cookie_is_worthless(cull: Site) -> None:
    """A cookie whose signature does not fit signs nobody in."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    value = browser.cookies()["service-cull"]
    forged = value[:-4] + ("0000" if value[-4:] != "0000" else "1111")
    other = await cull.browser()
    answer = await other.go(PAGE, follow=False, Cookie=f'service-cull="{forged}"')
    assert answer.status == 302


async def test_two_apps_share_nothing() -> None:
    """Two applications in one process, even on one Hub, do not take each other's cookies."""
    async with site() as one, site(hub=one.hub) as two:
        browser = await one.browser("ada")
        await browser.go(PAGE)
        assert (await browser.go(PAGE, follow=False)).status == 200
        browser.service_origin = two.origin
        assert (await browser.go(PAGE, follow=False)).status == 302
    assert not HubOAuth.initialized()
    assert not HubAuth.initialized()
