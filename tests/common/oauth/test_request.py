"""What a request reveals about its client."""

import pytest
from aiohttp.test_utils import make_mocked_request

from common.oauth.request import header_token, is_api, is_websocket, wants_page

PREFIX = "/services/cull/"


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("token abc", "abc"),
        ("Bearer abc", "abc"),
        ("BEARER  abc ", "abc"),
        ("token", ""),
        ("token ", ""),
        ("token a b", ""),
        ("Basic YTpi", ""),
        ("abc", ""),
        ("", ""),
    ],
)
def test_header_token(value: str, token: str) -> None:
    """A token follows ``token`` or ``Bearer``; any other header has none."""
    request = make_mocked_request("GET", PREFIX, {"Authorization": value})
    assert header_token(request) == token


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({"Upgrade": "WebSocket"}, True), ({"Upgrade": "h2c"}, False), ({}, False)],
)
def test_is_websocket(headers: dict[str, str], expected: bool) -> None:
    """The Upgrade header decides, in any case."""
    assert is_websocket(make_mocked_request("GET", PREFIX, headers)) is expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [(PREFIX + "api/x", True), (PREFIX + "apix", False), ("/api/x", False), (PREFIX, False)],
)
def test_is_api(path: str, expected: bool) -> None:
    """API paths begin with ``api/`` below the prefix."""
    assert is_api(make_mocked_request("GET", path), PREFIX) is expected


HTML = {"Accept": "text/html,*/*"}


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        pytest.param("", HTML, True, id="old-browser"),
        pytest.param("", HTML | {"Sec-Fetch-Mode": "navigate"}, True, id="browser"),
        pytest.param("", HTML | {"Sec-Fetch-Mode": "cors"}, False, id="fetch"),
        pytest.param("", HTML | {"X-Requested-With": "XMLHttpRequest"}, False, id="xhr"),
        pytest.param("", HTML | {"Upgrade": "websocket"}, False, id="websocket"),
        pytest.param("", {"Accept": "*/*"}, False, id="curl"),
        pytest.param("", {}, False, id="no-headers"),
        pytest.param("api/x", HTML | {"Sec-Fetch-Mode": "navigate"}, False, id="api"),
    ],
)
def test_wants_page(path: str, headers: dict[str, str], expected: bool) -> None:
    """A browser that opens a page gets HTML, everything else JSON."""
    assert wants_page(make_mocked_request("GET", PREFIX + path, headers), PREFIX) is expected
