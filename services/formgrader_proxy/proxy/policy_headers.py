"""Security headers of a formgrader's responses, by kind of content: CSP, framing, caching.

nbgrader's pages run inline scripts, compile templates with ``new Function`` and load MathJax from
a CDN, so their policy cannot be as strict as that of this service's own pages. It does restrict
framing, plug-ins, and the targets of forms and connections. A student's attachment is sandboxed,
without scripts and without an origin, so it cannot act on behalf of the grader who opens it.
"""

from functools import lru_cache

from services.formgrader_proxy.access import Content

_COMMON = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "noopener-allow-popups"),  # see common.web.security_headers
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_MATHJAX = "https://cdnjs.cloudflare.com https://cdn.jsdelivr.net"
_SANDBOX = (
    "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:;"
    " style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
)


@lru_cache(maxsize=256)
def security_headers(
    content: Content, *, course_url: str, frame_ancestors: str = "'none'"
) -> tuple[tuple[str, str], ...]:
    """The header fields for a response with this content.

    ``course_url`` is the origin and path of the course, with a slash at the end. It is the only
    address that the course's pages may connect to. ``frame_ancestors`` names the sites that may
    show them in a frame.
    """
    # nbgrader sends JSON as text/html, with text by students in it. The sandbox does not affect
    # scripts that fetch it, but disables scripts if a browser shows it as a page.
    if content in {Content.ATTACHMENT, Content.API}:
        return (
            *_COMMON,
            ("Content-Security-Policy", _SANDBOX),
            ("X-Frame-Options", "DENY"),
            ("Cache-Control", "private, no-store"),
        )
    policy = (
        f"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' {_MATHJAX};"
        f" style-src 'self' 'unsafe-inline' {_MATHJAX}; font-src 'self' data: {_MATHJAX};"
        f" img-src 'self' data: blob:; connect-src {course_url}; object-src 'none';"
        f" frame-src 'none'; worker-src 'none'; form-action {course_url}; base-uri 'none';"
        f" frame-ancestors {frame_ancestors}"
    )
    framing = (("X-Frame-Options", "DENY" if frame_ancestors == "'none'" else "SAMEORIGIN"),)
    cache = () if content is Content.STATIC else (("Cache-Control", "private, no-store"),)
    return (*_COMMON, ("Content-Security-Policy", policy), *framing, *cache)
