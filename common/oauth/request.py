"""What a request reveals about its client: a token, a WebSocket, a browser or a program."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

_HEADER_TOKEN = re.compile(r"(?i)(?:token|bearer)\s+(\S+)\s*")  # as HubAuth.auth_header_pat


def header_token(request: "web.BaseRequest") -> str:
    """The Hub token in the Authorization header; empty if there is none."""
    found = _HEADER_TOKEN.fullmatch(request.headers.get("Authorization", ""))
    return found[1] if found else ""


def is_websocket(request: "web.BaseRequest") -> bool:
    """Whether the client asks to switch to a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def is_api(request: "web.BaseRequest", prefix: str) -> bool:
    """Whether the path belongs to the JSON API."""
    return request.path.startswith(prefix + "api/")


def wants_page(request: "web.BaseRequest", prefix: str) -> bool:
    """Whether the response should be an HTML page; otherwise it should be JSON."""
    if is_api(request, prefix) or is_websocket(request):
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate"
    if request.headers.get("X-Requested-With", "").lower() == "xmlhttprequest":
        return False
    return "text/html" in request.headers.get("Accept", "")
