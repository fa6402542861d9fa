"""The cookies of sign-in: their attributes, and which ones are accepted."""

import pytest
from jupyterhub.services.auth import HubAuth, HubOAuth

from tests.fakes.site import PAGE, PREFIX, Site, begin, site


async def test_cookie_attributes(cull: Site) -> None:
    """Cookies are HttpOnly, limited to the prefix and SameSite=Lax, and not Secure over http."""
    browser = await cull.browser("ada")
    state = (await browser.go(PAGE, follow=False)).cookies
    signed_in = (await browser.go(await begin(browser, PAGE), follow=False)).cookies
    assert {"service-cull", "_xsrf"} <= signed_in.keys()
    for name, cookie in [*state.items(), *signed_in.items()]:
        assert cookie["path"] == PREFIX, name
        if cookie.value:  # a cookie that is cleared needs only its path
            assert (cookie["samesite"], cookie["httponly"]) == ("Lax", True), name
        assert not cookie["secure"], name


async def test_cookie_lifetimes(cull: Site) -> None:
    """The state cookie lasts 600 s, the token 30 days, and ``_xsrf`` until the browser closes."""
    browser = await cull.browser("ada")
    (state,) = (await browser.go(PAGE, follow=False)).cookies.values()
    signed_in = (await browser.go(await begin(browser, PAGE), follow=False)).cookies
    assert (state["max-age"], state["expires"]) == ("600", "")
    assert signed_in["service-cull"]["expires"].endswith("GMT")
    assert (signed_in["_xsrf"]["max-age"], signed_in["_xsrf"]["expires"]) == ("", "")


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
    """Cookies are Secure if the browser reached the outermost proxy over https."""
    browser = await cull.browser("ada")
    began = await browser.go(PAGE, follow=False, **headers)
    state = began.cookies
    assert all(bool(cookie["secure"]) is secure for cookie in state.values())
    back = await browser.go(began.headers["Location"], follow=False)
    line = "; ".join(f"{k}={v.coded_value}" for k, v in state.items())
    ended = await browser.go(back.headers["Location"], follow=False, Cookie=line, **headers)
    signed_in = ended.cookies
    assert {"service-cull", "_xsrf"} <= signed_in.keys(), ended.text
    assert all(bool(signed_in[n]["secure"]) is secure for n in ("service-cull", "_xsrf"))


async def test_host_prefixed_cookies() -> None:
    """With the __Host- prefix, cookies are Secure and have the path /, as browsers require."""
    async with site(cookie_host_prefix=True) as made:
        answer = await (await made.browser("ada")).go(PAGE, follow=False)
        (state,) = (c for n, c in answer.cookies.items() if n.startswith("__Host-"))
        assert (state["path"], bool(state["secure"])) == ("/", True)


async def test_host_prefixed_state_is_cleared_with_secure() -> None:
    """The Set-Cookie that clears a __Host- cookie is Secure, too: browsers ignore it otherwise."""
    async with site(cookie_host_prefix=True) as made:
        browser = await made.browser("ada")
        began = await browser.go(PAGE, follow=False)
        back = await browser.go(began.headers["Location"], follow=False)
        (name, state) = next((n, c) for n, c in began.cookies.items() if n.startswith("__Host-"))
        line = f"{name}={state.coded_value}"
        ended = await browser.go(back.headers["Location"], follow=False, Cookie=line)
        cleared = ended.cookies[name]
        assert (cleared.value, cleared["path"], bool(cleared["secure"])) == ("", "/", True)


async def test_more_cookie_options() -> None:
    """The options of the settings apply to the token's cookie, but never path or HttpOnly."""
    options = {"samesite": "Strict", "path": "/", "httponly": False}
    async with site(cookie_options=options) as made:
        browser = await made.browser("ada")
        signed_in = await browser.go(await begin(browser, PAGE), follow=False)
        cookie = signed_in.cookies["service-cull"]
        assert (cookie["samesite"], cookie["path"], cookie["httponly"]) == ("Strict", PREFIX, True)


async def test_cookie_with_an_invalid_signature_is_refused(cull: Site) -> None:
    """A cookie that was changed signs no one in."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    value = browser.cookies()["service-cull"]
    forged = value[:-4] + ("0000" if value[-4:] != "0000" else "1111")
    other = await cull.browser()
    answer = await other.go(PAGE, follow=False, Cookie=f'service-cull="{forged}"')
    assert answer.status == 302


async def test_applications_share_no_cookies() -> None:
    """Two applications in one process and on one Hub refuse each other's cookies."""
    async with site() as one, site(hub=one.hub) as two:
        browser = await one.browser("ada")
        await browser.go(PAGE)
        assert (await browser.go(PAGE, follow=False)).status == 200
        browser.service_origin = two.origin
        assert (await browser.go(PAGE, follow=False)).status == 302
    assert not HubOAuth.initialized()
    assert not HubAuth.initialized()


async def test_unfinished_logins_leave_few_cookies(cull: Site) -> None:
    """However many logins are started and abandoned, at most eight state cookies remain."""
    browser = await cull.browser()
    for _ in range(20):
        await browser.go(PAGE, follow=False)
    assert len([name for name in browser.cookies() if "oauth-state" in name]) <= 8


async def test_state_cookie_is_cleared(cull: Site) -> None:
    """After a login the browser has no state cookie."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    assert not [name for name in browser.cookies() if "oauth-state" in name]


@pytest.mark.parametrize("readable", [True, False])
async def test_xsrf_cookie_is_readable_only_on_request(readable: bool) -> None:
    """Scripts can read the ``_xsrf`` cookie only if the settings say so."""
    async with site(xsrf_cookie_readable=readable) as made:
        browser = await made.browser("ada")
        await browser.go(PAGE)
        (cookie,) = (c for c in browser.session.cookie_jar if c.key == "_xsrf")
        assert bool(cookie["httponly"]) is not readable
        assert cookie["path"] == PREFIX


async def test_xsrf_token_ends_in_a_word_character(cull: Site) -> None:
    r"""Formgrader's script finds the cookie by ``_xsrf=([^;]*)\b``, which must match all of it."""
    for _ in range(5):
        token = (await (await cull.browser("ada")).go(PAGE)).json()["xsrf"]
        assert token[-1].isalnum()
