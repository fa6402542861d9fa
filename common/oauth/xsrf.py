"""Cross-site requests: which need a token, and which origins are ours. Pure.

The rules are those of JupyterHub since 4.1 (``jupyterhub._xsrf_utils``), in their strictest
form of all versions. Everything below one hub has one origin, so a student's own server is a
same-origin attacker: a page of ours cannot be told from theirs by origin, only by the token.
"""

from urllib.parse import urlsplit

READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def needs_token(method: str, mode: str | None, site: str | None) -> bool:
    """Whether a request that comes with our cookie must also bring the XSRF token.

    ``mode`` and ``site`` are Sec-Fetch-Mode and Sec-Fetch-Site. Exempt are WebSockets (whose
    Origin is checked instead), pages navigated to or asked for by clients that send no such
    headers, and same-origin images, styles and the like, whose content the asking page cannot
    read. All only as long as they read.
    """
    read_only = method.upper() in READ_ONLY
    if mode == "websocket":
        return not read_only
    if mode is None or mode == "navigate":
        return not read_only
    if mode == "no-cors" and site == "same-origin":
        return not read_only
    return True


def from_elsewhere(method: str, site: str | None) -> bool:
    """Whether another site's page sent a request that changes something: never accepted."""
    return method.upper() not in READ_ONLY and site in ("cross-site", "same-site")


def is_own_origin(origin: str | None, *, scheme: str, host: str) -> bool:
    """Whether a WebSocket's Origin is the one under which the browser sees us.

    ``scheme`` and ``host`` (with its port, if any) are as the browser used them. A missing or
    opaque Origin is not ours: browsers always send one with a WebSocket.
    """
    if not origin or not host:
        return False
    theirs, ours = _address(origin), _address(f"{scheme}://{host}")
    return ours is not None and theirs == ours


def _address(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.hostname is None or parts.username is not None or parts.path not in ("", "/"):
        return None
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https"):
        return None
    return scheme, parts.hostname, port or _DEFAULT_PORTS[scheme]
