"""Headers that every answer carries, and what kind of client asked."""

import re

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "object-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


_HEADER_TOKEN = re.compile(r"(?i)(?:token|bearer)\s+(\S+)\s*")  # as HubAuth.auth_header_pat

BEGAN: web.RequestKey[bool] = web.RequestKey("began", bool)  # the answer is on its way


async def begin(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers a handler has not set itself; nothing personal is to be cached.

    The answer is then on its way, and no error page can be sent any more.
    """
    request[BEGAN] = True
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "jupyterhub-classroom"


def is_api(request: web.BaseRequest, prefix: str) -> bool:
    """Whether the address belongs to the JSON API."""
    return request.path.startswith(prefix + "api/")


def is_websocket(request: web.BaseRequest) -> bool:
    """Whether the client wants to switch to a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def wants_page(request: web.BaseRequest, prefix: str) -> bool:
    """Whether a person looks at the answer: an HTML page then, else JSON."""
    if is_api(request, prefix) or is_websocket(request):
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate"
    if request.headers.get("X-Requested-With", "").lower() == "xmlhttprequest":
        return False
    return "text/html" in request.headers.get("Accept", "")


def header_token(request: web.BaseRequest) -> str:
    """The Hub token that a script sends in its Authorization header, or nothing."""
    found = _HEADER_TOKEN.fullmatch(request.headers.get("Authorization", ""))
    return found[1] if found else ""
