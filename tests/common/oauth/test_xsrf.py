"""Which requests are believed without the XSRF token, and which origins are ours."""

import pytest

from common.oauth.xsrf import from_elsewhere, is_own_origin, needs_token


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
    """The token is needed for all but visits, plain readers and same-origin images."""
    assert needs_token(method, mode, site) is needed


@pytest.mark.parametrize(
    ("method", "site", "foreign"),
    [
        ("POST", "cross-site", True),
        ("POST", "same-site", True),
        ("POST", "same-origin", False),
        ("POST", "none", False),
        ("POST", None, False),
        ("GET", "cross-site", False),
    ],
)
def test_writes_from_other_sites_are_foreign(method: str, site: str | None, foreign: bool) -> None:
    """A write that a browser marks as sent by another site is foreign, a link is not."""
    assert from_elsewhere(method, site) is foreign


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
    """A WebSocket's Origin must be scheme, host and port under which the browser sees us."""
    assert is_own_origin(origin, scheme="https", host="hub.example.org") is own


def test_own_origin_needs_a_host() -> None:
    """Without a Host there is no origin of ours."""
    assert not is_own_origin("https://x", scheme="https", host="")
