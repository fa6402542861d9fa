"""The cookies of sign-in: their attributes, and which ones are accepted."""

from collections.abc import Sequence
from typing import Any

import pytest
from jupyterhub.services.auth import HubAuth, HubOAuth

from tests.fakes.oauth import Browser
from tests.fakes.site import PAGE, PREFIX, Site, begin, site


async def test_cookie_attributes(cull: Site) -> None:
    """Cookies are HttpOnly, limited to the prefix and SameSite=Lax, and not Secure over http."""
    browser = await cull.browser("ada")
    state = (await browser.go(PAGE, follow=False)).cookies
    signed_in = (await browser.go(await begin(browser, PAGE), follow=False)).cookies
    assert "service-cull" in signed_in
    for name, cookie in [*state.items(), *signed_in.items()]:
        assert cookie["path"] == PREFIX, name
        if cookie.value:  # a cookie that is cleared needs only its path
            assert (cookie["samesite"], cookie["httponly"]) == ("Lax", True), name
        assert not cookie["secure"], name


async def test_cookie_lifetimes(cull: Site) -> None:
    """The state cookie lasts 600 s, and the token's 30 days. There is no ``_xsrf`` cookie."""
    browser = await cull.browser("ada")
    (state,) = (await browser.go(PAGE, follow=False)).cookies.values()
    signed_in = (await browser.go(await begin(browser, PAGE), follow=False)).cookies
    assert (state["max-age"], state["expires"]) == ("600", "")
    assert signed_in["service-cull"]["expires"].endswith("GMT")
    assert "_xsrf" not in signed_in


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
    assert "service-cull" in signed_in, ended.text
    assert bool(signed_in["service-cull"]["secure"]) is secure


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


# -- cookies set by others

HUB_ADDRESS: dict[str, Any] = {"public_hub_url": "https://hub.example.org/hub/"}
OWN = HUB_ADDRESS | {"redirect_path": f"https://cull.example.org{PREFIX}oauth_callback"}
SAME = HUB_ADDRESS | {"redirect_path": f"https://hub.example.org:443{PREFIX}oauth_callback"}
TLS: dict[str, Any] = {"X_Forwarded_Proto": "https"}


@pytest.mark.parametrize(
    ("changes", "headers", "prefixed"),
    [
        pytest.param(OWN, TLS, True, id="own-origin-https"),
        pytest.param(OWN, {}, False, id="own-origin-http"),
        pytest.param({}, TLS, False, id="shared-origin-https"),
        # JupyterHub names its own address whenever public_url is set.
        pytest.param(HUB_ADDRESS, TLS, False, id="shared-origin-with-an-address"),
        pytest.param(SAME, TLS, False, id="same-host"),
        pytest.param({"cookie_host_prefix": True}, {}, True, id="setting"),
    ],
)
async def test_host_prefix(
    changes: dict[str, Any], headers: dict[str, Any], prefixed: bool
) -> None:
    """On an origin of its own over https, no other host can set a service's cookies.

    On a shared origin the path / would send them to students' servers.
    """
    async with site(**changes) as made:
        answer = await (await made.browser("ada")).go(PAGE, follow=False, **headers)
        (name,) = answer.cookies
        assert name.startswith("__Host-") is prefixed
        assert answer.cookies[name]["path"] == ("/" if prefixed else PREFIX)


def header(browser: Browser) -> str:
    """The Cookie header of a browser. Send it with another one, which has no cookies itself."""
    return "; ".join(f'{name}="{value}"' for name, value in browser.cookies().items())


async def planted(cull: Site, names: Sequence[str]) -> str:
    """A Cookie header with ada's cookies except ``names``, which are bob's."""
    bob, ada = await cull.browser("bob"), await cull.browser("ada")
    for browser in (bob, ada):
        assert (await browser.go(PAGE)).status == 200
    cookies = ada.cookies() | {name: bob.cookies()[name] for name in names}
    return "; ".join(f'{name}="{value}"' for name, value in cookies.items())


async def test_planted_token(cull: Site) -> None:
    """Bob's cookie in ada's browser does not sign her in as bob: it is of another Hub session."""
    browser = await cull.browser()
    line = await planted(cull, ["service-cull"])
    assert (await browser.go(PAGE, follow=False, Cookie=line)).status == 302
    # What remains on a shared origin: a page that can replace the Hub's cookies, too, succeeds.
    line = await planted(cull, ["service-cull", "jupyterhub-session-id"])
    assert (await browser.go(PAGE, Cookie=line)).json()["name"] == "bob"


async def test_planted_login(cull: Site) -> None:
    """Bob's state cookie and callback in ada's browser do not sign her in as bob."""
    bob, ada = await cull.browser("bob"), await cull.browser("ada")
    began = await bob.go(PAGE, follow=False)
    back = await bob.go(began.headers["Location"], follow=False)
    ((name, state),) = began.cookies.items()
    session = ada.cookies()["jupyterhub-session-id"]
    line = f"{name}={state.coded_value}; jupyterhub-session-id={session}"
    answer = await ada.go(back.headers["Location"], follow=False, Cookie=line)
    assert answer.status == 403
    assert "another browser" in answer.text
    assert "service-cull" not in answer.cookies


@pytest.mark.parametrize("name", ["service-cull", "jupyterhub-session-id"])
@pytest.mark.parametrize("first", [True, False])
async def test_repeated_cookie(cull: Site, name: str, first: bool) -> None:
    """A second cookie with the same name is refused, wherever it stands, and both are cleared."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    line = header(browser)
    line = f"{name}=x; {line}" if first else f"{line}; {name}=x"
    answer = await (await cull.browser()).go(PAGE, follow=False, Cookie=line)
    assert answer.status == 400
    assert f"two cookies named {name}" in answer.text
    cleared = {one.split("=")[0] for one in answer.headers.getall("Set-Cookie")}
    assert cleared == {name}
    paths = {one.split("Path=")[1] for one in answer.headers.getall("Set-Cookie")}
    assert {PREFIX, PAGE} <= paths
    assert ("/" in paths) is (name == "service-cull")  # the Hub's own session id stays


async def test_repeated_cookies_of_others_are_ignored(cull: Site) -> None:
    """Another application on the host may set a cookie such as ``_xsrf`` for several paths."""
    browser = await cull.browser("ada")
    await browser.go(PAGE)
    line = f"{header(browser)}; _xsrf=a; _xsrf=b"
    assert (await (await cull.browser()).go(PAGE, Cookie=line)).status == 200


async def test_sign_in_without_a_session_id() -> None:
    """On an origin of its own, a service need not see the Hub's session id."""
    async with site(**OWN) as made:
        made.hub.redirect_uri = OWN["redirect_path"]
        browser = await made.browser("ada")
        began = await browser.go(PAGE, follow=False, **TLS)
        path = began.headers["Location"].partition("hub.example.org")[2]
        back = await browser.go(path, follow=False)
        ((name, state),) = began.cookies.items()
        line = f"{name}={state.coded_value}"
        path = back.headers["Location"].partition("cull.example.org")[2]
        ended = await browser.go(path, follow=False, Cookie=line, **TLS)
        token = ended.cookies["__Host-service-cull"].coded_value
        line = f"__Host-service-cull={token}"
        assert (await browser.go(PAGE, Cookie=line, **TLS)).json()["name"] == "ada"
        plain = f"service-cull={token}"
        assert (await browser.go(PAGE, follow=False, Cookie=plain, **TLS)).status == 302
