"""The details of JupyterHub and Tornado that sign-in depends on, checked one by one.

If a test here fails after an upgrade, read the docstring of common/oauth/hub_oauth.py.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from jupyterhub.services.auth import HubOAuth
from tornado.web import RequestHandler

from common.oauth.hub_oauth import (
    CookieHandler,
    make_application,
    make_oauth,
    scopes_grant,
    sign,
    speaks_https,
    unsign,
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


NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "seconds", "secret", "content"),
    [
        pytest.param("a", 599, SETTINGS.cookie_secret, "text", id="valid"),
        pytest.param("a", 601, SETTINGS.cookie_secret, "", id="expired"),
        pytest.param("b", 0, SETTINGS.cookie_secret, "", id="another-cookie"),
        pytest.param("a", 0, b"other", "", id="another-secret"),
    ],
)
def test_signed_value(name: str, seconds: float, secret: bytes, content: str) -> None:
    """A signed value is valid for one cookie, for a limited time, and with its secret."""
    value = sign(APPLICATION, "a", "text", now=NOW)
    reader = make_application(replace(SETTINGS, cookie_secret=secret))
    later = NOW + timedelta(seconds=seconds)
    assert unsign(reader, name, value, now=later, max_age=600) == content


def test_services_with_one_secret_share_no_cookies() -> None:
    """Each signs with a key of its own."""
    value = sign(APPLICATION, "a", "text", now=NOW)
    other = make_application(replace(SETTINGS, client_id="service-stats"))
    assert unsign(other, "a", value, now=NOW, max_age=600) == ""


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
