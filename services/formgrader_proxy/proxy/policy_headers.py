"""Security headers of a formgrader's responses, by kind of content: CSP, framing, caching.

A formgrader that this project runs gives the scripts of each page a nonce and names it in the
header ``Formgrader-Nonce`` (see :mod:`..rendering`). The policy allows scripts with this nonce and
no others: not even ``'self'``, because students' servers may share the origin. A formgrader that
runs elsewhere and sends no nonce has nbgrader's inline scripts and loads MathJax from a CDN, which
its policy has to allow. A student's attachment is sandboxed, without scripts and without an origin,
so it cannot act as the grader who opens it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from services.formgrader_proxy.access import Content

#: The response header with the nonce of a page, or with "none" for a page without scripts.
NONCE_HEADER = "Formgrader-Nonce"
_NONCE = re.compile(r"[A-Za-z0-9+/_-]{22,64}={0,2}")

_COMMON = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "noopener-allow-popups"),  # see common.web.security_headers
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_MATHJAX = (
    "https://cdnjs.cloudflare.com/ajax/libs/mathjax/ https://cdn.jsdelivr.net/npm/mathjax@2/"
    " https://cdn.jsdelivr.net/npm/mathjax@3/"
)
_SANDBOX = (
    "sandbox; default-src 'none'; img-src 'self' data:; media-src 'self' data:;"
    " style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
)


def security_headers(
    content: Content,
    nonce: Sequence[str] = (),
    *,
    course_url: str,
    frame_ancestors: str = "'none'",
) -> tuple[tuple[str, str], ...]:
    """The header fields for a response with this content.

    ``course_url`` is the origin and path of the course, with a slash at the end. The course's
    pages load nothing from outside it and connect to nothing else. ``frame_ancestors`` names the
    sites that may show them in a frame. ``nonce`` are the values of :data:`NONCE_HEADER` in the
    formgrader's response: none if it is not one that this project runs. A page with an invalid
    value has no scripts.
    """
    if not nonce:
        return _headers(content, course_url, frame_ancestors, None)
    headers = _headers(content, course_url, frame_ancestors, _PLACE)
    valid = len(nonce) == 1 and _NONCE.fullmatch(nonce[0]) is not None
    script = f"'nonce-{nonce[0]}'" if valid else "'none'"
    return tuple((name, value.replace(_PLACE, script)) for name, value in headers)


#: Where the source of scripts is inserted into a policy, which is cached without it.
_PLACE = "{script}"


@lru_cache(maxsize=256)
def _headers(
    content: Content, course_url: str, frame_ancestors: str, script: str | None
) -> tuple[tuple[str, str], ...]:
    # nbgrader sends JSON as text/html, with text by students in it. The sandbox does not affect
    # scripts that fetch it, but disables scripts if a browser shows it as a page.
    if content in {Content.ATTACHMENT, Content.API}:
        return (
            *_COMMON,
            ("Content-Security-Policy", _SANDBOX),
            ("X-Frame-Options", "DENY"),
            ("Cache-Control", "private, no-store"),
        )
    # A page loads these files; opened as a page of their own, they need nothing.
    if content is Content.STATIC:
        return (*_COMMON, ("Content-Security-Policy", _SANDBOX), ("X-Frame-Options", "DENY"))
    policy = _own(course_url, script) if script else _foreign(course_url)
    framed = f"{policy}; base-uri 'none'; frame-ancestors {frame_ancestors}"
    framing = (("X-Frame-Options", "DENY" if frame_ancestors == "'none'" else "SAMEORIGIN"),)
    cache = ("Cache-Control", "private, no-store")
    return (*_COMMON, ("Content-Security-Policy", framed), *framing, cache)


def _own(course_url: str, script: str) -> str:
    """The policy of a page that names a nonce."""
    pages = f"{course_url}formgrader/"
    return (
        f"default-src 'none'; script-src {script}; style-src 'unsafe-inline' {pages}static/;"
        f" font-src {pages}static/ {pages}fonts/;"
        f" img-src data: {pages}static/ {pages}submissions/;"
        f" media-src data: {pages}submissions/; connect-src {pages}api/ {_own_pages(course_url)};"
        " form-action 'none'"
    )


def _own_pages(course_url: str) -> str:
    """The service's own pages of the course, see :meth:`..settings.Site.own_path`."""
    prefix, course_id = course_url.rstrip("/").rsplit("/", 1)
    return f"{prefix}/courses/{course_id}/"


def _foreign(course_url: str) -> str:
    """The strictest policy under which nbgrader's unchanged pages work."""
    return (
        f"default-src 'none'; script-src {course_url} 'unsafe-inline' 'unsafe-eval' {_MATHJAX};"
        f" style-src {course_url} 'unsafe-inline' {_MATHJAX};"
        f" font-src {course_url} data: {_MATHJAX}; img-src data: blob: {course_url};"
        f" media-src data: blob: {course_url}; manifest-src {course_url};"
        f" connect-src {course_url}; form-action {course_url}"
    )
