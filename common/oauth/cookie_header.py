"""The Cookie header as the browser sent it: repeated names, and the paths they may be set for.

A page on another path of the same origin, or on a subdomain, can add a second cookie with the same
name as one of this service and a longer path. Which of the two a parser returns is not defined
(RFC 6265 5.4), so neither is used.
"""

from collections.abc import Iterator

_MAX_DEPTH = 12


def repeated(header: str, *names: str) -> str:
    """A name in the header that occurs twice and starts with one of ``names``; empty if none."""
    seen = set()
    for part in header.split(";"):
        name = part.partition("=")[0].strip()
        if not name.startswith(names):
            continue
        if name in seen:
            return name
        seen.add(name)
    return ""


def cookie_paths(path: str) -> Iterator[str]:
    """Every path for which a cookie can be set that a browser sends with a request to ``path``.

    At most the first twelve segments are considered.
    """
    yield "/"
    current = ""
    for segment in path.strip("/").split("/")[:_MAX_DEPTH]:
        if segment:
            current += f"/{segment}"
            yield current
            yield current + "/"
