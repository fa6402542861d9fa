"""The details of JupyterHub and Tornado that sign-in depends on, checked one by one.

If a test here fails after an upgrade, read the docstring of common/oauth/hub_oauth.py.
"""

from http.cookies import SimpleCookie
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from jupyterhub.services.auth import HubOAuth, HubOAuthenticated
from tornado.web import RequestHandler

from common.oauth.hub_oauth import (
    CookieHandler,
    make_application,
    make_oauth,
    scopes_grant,
    speaks_https,
)
from common.oauth.settings import OAuthSettings

PREFIX = "/services/cull/"
SETTINGS = OAuthSettings(
    "http://127.0.0.1:8081/hub/api",
    "token",
    "service-cull",
    PREFIX,
    frozenset({"access:services!service=cull"}),
)
APPLICATION = make_application(SETTINGS)
ACCESS = frozenset({"access:services!service=cull"})


def handler(cookies: str = "", **headers: str) -> CookieHandler:
    """A handler for a page request with these cookies and headers."""
    sent = {"Host": "hub.example.org", "Cookie": cookies}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request("GET", PREFIX, sent)
    return CookieHandler(APPLICATION, request, make_oauth(SETTINGS))


def cookies_of(made: CookieHandler) -> SimpleCookie:
    """The cookies that a handler recorded."""
    cookies = SimpleCookie()
    for value in made.set_cookie_headers():
        cookies.load(value)
    return cookies


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (
            HubOAuth,
            [
                *("allow_websocket_cookie_auth", "clear_cookie", "cookie_name", "cookie_path"),
                *("get_token", "login_url", "set_cookie", "state_cookie_name"),
            ],
        ),
        (HubOAuthenticated, ["xsrf_token"]),
        (
            RequestHandler,
            ["clear_cookie", "get_signed_cookie", "set_cookie", "set_signed_cookie", "settings"],
        ),
    ],
)
def test_names_exist(owner: Any, names: list[str]) -> None:
    """JupyterHub and Tornado still have what cookies.py and hub_oauth.py use."""
    missing = [name for name in names if not hasattr(owner, name)]
    assert missing == [], f"{owner.__name__} of the installed version lacks {missing}"


def test_handler_needs_no_server() -> None:
    """Tornado makes a handler from a request without a server, and reads its cookies."""
    made = handler("a=1; b=2")
    assert (made.get_cookie("a"), made.get_cookie("b")) == ("1", "2")
    assert made.set_cookie_headers() == []


def test_invalid_host_is_replaced() -> None:
    """A Host header that Tornado refuses does not break the cookies."""
    assert handler("a=1", Host="a b/c").get_cookie("a") == "1"


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda h: h.hub_auth.set_cookie(h, "t0ken"), id="token"),
        pytest.param(lambda h: h.xsrf_token, id="xsrf"),
        pytest.param(lambda h: h.set_signed_cookie("x", "1"), id="signed"),
        pytest.param(lambda h: h.hub_auth.clear_cookie(h), id="clear-token"),
        pytest.param(lambda h: h.clear_cookie("x", path=PREFIX), id="clear"),
    ],
)
def test_every_cookie_is_recorded(write: Any) -> None:
    """Whatever JupyterHub or Tornado writes passes through set_cookie: none is lost."""
    made = handler()
    write(made)
    assert made.set_cookie_headers(), "a cookie was written without RequestHandler.set_cookie"
    unseen = getattr(made, "_new_cookie", None)
    assert not unseen, f"Tornado keeps cookies that are never sent: {unseen}"


def test_token_can_be_read_back() -> None:
    """A token that HubOAuth wrote into a cookie is read from it by HubOAuth.get_token."""
    made = handler()
    made.hub_auth.set_cookie(made, "t0ken")
    value = cookies_of(made)["service-cull"].coded_value
    again = handler(f"service-cull={value}")
    assert again.hub_auth.get_token(again) == "t0ken"


def test_token_comes_from_the_cookie_only() -> None:
    """HubOAuth sees neither the Authorization header nor the query of a request."""
    request = make_mocked_request(
        "GET",
        PREFIX + "?token=abc",
        {"Host": "x", "Authorization": "token abc", "Sec-Fetch-Mode": "websocket"},
    )
    made = CookieHandler(APPLICATION, request, make_oauth(SETTINGS))
    assert not made.hub_auth.get_token(made)


def test_xsrf_token_depends_on_the_session() -> None:
    """The XSRF token stays with a session and differs from that of another one."""
    session = "jupyterhub-session-id"
    one = handler(f"{session}=one")
    cookie = cookies_of_xsrf(one)
    same = handler(f"{session}=one; _xsrf={cookie}")
    other = handler(f"{session}=two; _xsrf={cookie}")
    assert same.xsrf_token == one.xsrf_token
    assert other.xsrf_token != one.xsrf_token


def cookies_of_xsrf(made: CookieHandler) -> str:
    """The value of the ``_xsrf`` cookie that a handler sets."""
    _ = made.xsrf_token
    return cookies_of(made)["_xsrf"].coded_value


@pytest.mark.parametrize(("signed_in", "max_age"), [(False, "3600"), (True, "")])
def test_xsrf_cookie_lifetime(signed_in: bool, max_age: str) -> None:
    """The XSRF cookie of an anonymous user lasts an hour, asked of get_current_user."""
    made = handler()
    made.signed_in = signed_in
    _ = made.xsrf_token
    assert cookies_of(made)["_xsrf"]["max-age"] == max_age


@pytest.mark.parametrize(
    ("headers", "scheme", "expected"),
    [
        ({}, "http", False),
        ({}, "https", True),
        ({"X-Forwarded-Proto": "https"}, "http", True),
        ({"X-Forwarded-Proto": "http"}, "https", False),
        ({"X-Forwarded-Proto": "https, http"}, "http", True),
        ({"X-Scheme": "https"}, "http", True),
        ({"Forwarded": "for=1.2.3.4;proto=https, for=2;proto=http"}, "http", True),
    ],
)
def test_speaks_https(headers: dict[str, str], scheme: str, expected: bool) -> None:
    """The outermost proxy's header counts, then the connection's own scheme."""
    assert speaks_https(headers, scheme) is expected


@pytest.mark.parametrize(
    ("access", "scopes", "expected"),
    [
        pytest.param(ACCESS, {"access:services!service=cull"}, True, id="exact"),
        pytest.param(ACCESS, {"access:services"}, True, id="unfiltered"),
        pytest.param(ACCESS, {"access:services!service=stats"}, False, id="other-filter"),
        pytest.param(ACCESS, {"admin:users"}, False, id="admin"),
        pytest.param(ACCESS, set(), False, id="no-scopes"),
        pytest.param(frozenset(), {"access:services"}, False, id="no-access-scopes"),
    ],
)
def test_scopes_grant(access: frozenset[str], scopes: set[str], expected: bool) -> None:
    """An access scope is granted directly or without its filter; none at all fails closed."""
    assert scopes_grant(access, frozenset(scopes)) is expected
