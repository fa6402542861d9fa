"""Headers that every response carries.

Cross-Origin-Opener-Policy has the one value that separates a page from the window that opened it
even if both have the same origin (https://html.spec.whatwg.org/#cross-origin-opener-policies).
With ``same-origin``, a page on a student's server could open ours in a new window and read it.
"""

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "object-src 'none'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "noopener-allow-popups",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers that the handler has not set itself (a signal handler of aiohttp)."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")  # responses are personal
    response.headers["Server"] = "jupyterhub-classroom"
