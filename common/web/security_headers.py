"""Headers that every answer carries, and what kind of client asked."""

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
