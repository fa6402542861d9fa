"""Cross-site request forgery: which requests need a token, and which origins are accepted. Pure.

The rules are those of JupyterHub since 4.1 (``jupyterhub._xsrf_utils``), in the strictest form of
all versions. All services of one hub share an origin, and so do the users' servers: a student's
server is a same-origin attacker. Only the token tells this service's pages from theirs.
"""

from urllib.parse import urlsplit

READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def needs_token(method: str, mode: str | None, site: str | None) -> bool:
    """Whether a request with a session cookie must also carry the XSRF token.

    ``mode`` and ``site`` are Sec-Fetch-Mode and Sec-Fetch-Site. Exempt, as long as they only read:
    WebSockets (their Origin is checked instead), navigations, clients that send no such headers,
    and same-origin ``no-cors`` requests such as images and styles.
    """
    read_only = method.upper() in READ_ONLY
    if mode == "websocket":
        return not read_only
    if mode is None or mode == "navigate":
        return not read_only
    if mode == "no-cors" and site == "same-origin":
        return not read_only
    return True


def is_cross_site_write(method: str, site: str | None) -> bool:
    """Whether another site's page sent a request that changes something. Always refused."""
    return method.upper() not in READ_ONLY and site in ("cross-site", "same-site")


def is_own_origin(origin: str | None, *, scheme: str, host: str) -> bool:
    """Whether a WebSocket's Origin is the one under which the browser sees this service.

    ``scheme`` and ``host`` (with its port, if any) are as the browser used them. A missing or
    opaque Origin is refused: browsers always send one with a WebSocket.
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
