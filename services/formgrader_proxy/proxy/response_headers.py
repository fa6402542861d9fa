"""Which header fields of a formgrader's response reach the browser: an allow-list. Pure.

A student's code can influence a formgrader's responses, and an external formgrader may be less
trusted than this service. Fields that act on the browser or on a proxy in front of it therefore
never pass: cookies, policies, ``Refresh``, ``Link``, ``Clear-Site-Data``,
``Service-Worker-Allowed``, ``Access-Control-*``, ``SourceMap``, ``Alt-Svc``, ``X-Accel-*`` and all
that are not invented yet. Security headers are added here. A redirect may only lead to the same
course.
"""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from multidict import CIMultiDict, CIMultiDictProxy

from services.formgrader_proxy.proxy.headers import named_in_connection
from services.formgrader_proxy.proxy.target import PathRefused, Target, read_target

#: Fields that describe the content, its caching and its ranges. ``Location`` is checked first.
PASSED = frozenset(
    {
        "accept-ranges",
        "allow",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-range",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "location",
        "retry-after",
        "vary",
    }
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORD = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_MEDIA_TYPE = re.compile(rf'{_WORD}/{_WORD}(\s*;\s*{_WORD}=({_WORD}|"[^"\\]*"))*\s*;?', re.ASCII)
#: What a browser downloads instead of showing it.
_UNKNOWN_TYPE = "application/octet-stream"


class RedirectRefused(Exception):
    """The upstream redirects to an address outside the course."""

    def __init__(self) -> None:
        super().__init__("it sent a redirect to an address outside the course")


class Surroundings(NamedTuple):
    """Where a redirect may lead: ``target`` is that of the request, ``depth`` the number of its
    segments that name the course, and ``origins`` are the ones of this service and the upstream.
    """

    target: Target
    depth: int
    origins: frozenset[str]


def to_client(
    status: int,
    headers: CIMultiDictProxy[str],
    surroundings: Surroundings,
    *,
    added: tuple[tuple[str, str], ...] = (),
) -> CIMultiDict[str]:
    """The header fields of the response to the client. ``added`` are the security headers.

    A ``Content-Type`` that is invalid or repeated becomes ``application/octet-stream``.

    :raises RedirectRefused: the response redirects to an address outside the course
    """
    left_out = named_in_connection(headers) | _names(added)
    passed: list[tuple[str, str]] = []
    types: list[str] = []
    locations: list[str] = []
    for name, value in headers.items():
        lower = _lower(name)
        if lower not in PASSED or lower in left_out:
            continue
        if lower == "content-type":
            types.append(value)
        elif lower == "location":
            locations.append(value)
        else:
            passed.append((name, value))
    if types:
        known = len(types) == 1 and _is_media_type(types[0])
        passed.append(("Content-Type", types[0] if known else _UNKNOWN_TYPE))
    if locations:
        passed += _checked_location(status, locations, surroundings)
    return CIMultiDict([*passed, *added])


def _checked_location(
    status: int, locations: list[str], surroundings: Surroundings
) -> list[tuple[str, str]]:
    local = local_location(locations[0], surroundings) if len(locations) == 1 else None
    if local is not None:
        return [("Location", local)]
    if status in _REDIRECTS:
        raise RedirectRefused
    return []


def local_location(location: str, surroundings: Surroundings) -> str | None:
    """A redirect's target as a path below the course, or None if it leads elsewhere.

    nbgrader writes names into it without encoding them, so that is done here.
    """
    text = quote(location, safe="/?#%!$&'()*+,=:@[]|~", errors="surrogateescape")
    try:
        parts = urlsplit(text)
        if parts.scheme or parts.netloc:
            if f"{parts.scheme}://{parts.netloc}" not in surroundings.origins:
                return None
            text = parts._replace(scheme="", netloc="").geturl()
        elif not text.startswith("/"):
            text = urljoin(surroundings.target.raw, text)
        path, _, fragment = text.partition("#")
        found = read_target(path)
    except (PathRefused, ValueError):
        return None
    depth = surroundings.depth
    if (
        len(found.segments) <= depth
        or found.segments[:depth] != surroundings.target.segments[:depth]
    ):
        return None
    return text if fragment else path


@lru_cache(maxsize=64)
def _names(fields: tuple[tuple[str, str], ...]) -> frozenset[str]:
    return frozenset(name.lower() for name, _ in fields)


@lru_cache(maxsize=1024)  # a formgrader sends the same few names in every response
def _lower(name: str) -> str:
    return name.lower()


@lru_cache(maxsize=256)
def _is_media_type(text: str) -> bool:
    return _MEDIA_TYPE.fullmatch(text) is not None
