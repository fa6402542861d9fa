"""Headers that every response carries, and the policy of pages.

Cross-Origin-Opener-Policy has the one value that separates a page from the window that opened it
even if both have the same origin (https://html.spec.whatwg.org/#cross-origin-opener-policies).
With ``same-origin``, a page on a student's server could open ours in a new window and read it.
"""

from aiohttp import web

HEADERS = {
    # For everything but pages: a JSON or CSV file that a browser shows as a document loads nothing.
    "Content-Security-Policy": (
        "default-src 'none'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "noopener-allow-popups",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def page_policy(nonce: str) -> str:
    """The Content-Security-Policy of a page whose scripts and style sheets carry this nonce.

    ``'self'`` would also admit the files of students' servers, which share the origin unless the
    Hub uses subdomains, so no script or style sheet is admitted by its address.
    """
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
    )


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers that the handler has not set itself (a signal handler of aiohttp)."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")  # responses are personal
    response.headers["Server"] = "jupyterhub-classroom"
