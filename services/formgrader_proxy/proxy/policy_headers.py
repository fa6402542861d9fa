"""The security headers of what a formgrader answers, by what it is. Pure.

nbgrader's pages run inline scripts and compile templates with ``new Function``, and load
MathJax from a CDN, so their policy cannot be as strict as ours. What it can do: no framing,
no plug-ins, no form or connection to anywhere but this course. A student's attachment gets a
sandbox: neither script nor origin, so it cannot act as the grader who looks at it.
"""

from functools import lru_cache

from services.formgrader_proxy.access import Content

_COMMON = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_MATHJAX = "https://cdnjs.cloudflare.com https://cdn.jsdelivr.net"
_SANDBOX = (
    "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:;"
    " style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
)


@lru_cache(maxsize=256)
def security_headers(
    content: Content, *, course_url: str, frame_ancestors: str = "'self'"
) -> tuple[tuple[str, str], ...]:
    """The headers for an answer of this kind.

    ``course_url`` is origin and path of the course, with a slash at its end: the only place
    that its pages may talk to. JupyterLab shows the formgrader in a frame, from the hub's own
    origin.
    """
    # nbgrader calls its JSON text/html, and there are students' texts in it. Scripts that
    # fetch it do not mind the sandbox; a page made of it has no script.
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
