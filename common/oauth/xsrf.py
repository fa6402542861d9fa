"""Cross-site request forgery: which requests need a token, and which origins are accepted. Pure.

The rules are those of JupyterHub since 4.1 (``jupyterhub._xsrf_utils``), made stricter where a page
on a student's own server could read the response. Without subdomains, such a page has the same
origin as this service: only the token tells the service's pages from the student's.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple
from urllib.parse import urlsplit

READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
_EMBEDDED = frozenset({"image", "style", "script", "font"})
_FRAMES = frozenset({"iframe", "frame", "embed", "object", "fencedframe"})
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class Exposure(Enum):
    """Which pages may have the response to a read.

    PRIVATE: only this service's own. EMBEDDED: also any page of the origin, as a picture, style,
    script or font, which it can show but not read as text. PUBLIC: every page, in any way.
    """

    PRIVATE = "private"
    EMBEDDED = "embedded"
    PUBLIC = "public"


class Fetch(NamedTuple):
    """What a browser says about a request: the headers Sec-Fetch-Mode, -Site and -Dest.

    No page can set or remove them (https://www.w3.org/TR/fetch-metadata/). They are None on plain
    HTTP, except on the local machine, and in programs. ``preload``: the browser opens a page, but
    gives it to a service worker first (https://www.w3.org/TR/service-workers/#navigation-preload).
    """

    mode: str | None = None
    site: str | None = None
    dest: str | None = None
    preload: bool = False

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Fetch":
        """The values in a request's headers."""
        mode, site, dest = (headers.get(f"Sec-Fetch-{name}") for name in ("Mode", "Site", "Dest"))
        return cls(mode, site, dest, "Service-Worker-Navigation-Preload" in headers)

    @property
    def is_page(self) -> bool:
        """Whether a user opens a page in a tab or a window."""
        return self.mode == "navigate" and self.dest == "document" and not self.preload

    @property
    def by_worker(self) -> bool:
        """Whether a service worker opens a page in place of the browser, and can read it.

        A page's server can let its worker control the whole origin (Service-Worker-Allowed).
        """
        return self.preload or (self.mode == "navigate" and self.dest == "empty")

    @property
    def in_frame(self) -> bool:
        """Whether another page would show the response in a frame of any kind."""
        return self.dest in _FRAMES

    @property
    def is_unknown(self) -> bool:
        """Whether nothing tells a page that a user opens from a request that a script sends."""
        return self.mode is None or (self.mode != "websocket" and self.dest is None)


def needs_token(method: str, fetch: Fetch, exposure: Exposure = Exposure.PRIVATE) -> bool:
    """Whether a request with a session cookie must also carry the XSRF token.

    Exempt, as long as they only read: pages that a user opens in a tab, and content that is made to
    be embedded or public. A WebSocket is exempt, too; its Origin is checked instead. Scripts can
    read the response to anything else: a fetch in any mode, a prefetch, a frame.
    """
    if method.upper() not in READ_ONLY:
        return True
    if fetch.mode == "websocket" or exposure is Exposure.PUBLIC:
        return False
    if fetch.is_page:
        return False
    if fetch.mode == "no-cors" and fetch.site == "same-origin":
        return exposure is not Exposure.EMBEDDED or fetch.dest not in _EMBEDDED
    return True


def is_cross_site_write(method: str, site: str | None) -> bool:
    """Whether another site's page sent a request that changes something. Always refused."""
    return method.upper() not in READ_ONLY and site in ("cross-site", "same-site")


def make_token(secret: bytes, *parts: str) -> str:
    """An XSRF token for these parts, as ASCII text: the service, its area, session and login.

    The token needs no cookie, so none can be planted or read. It is invalid at another service, in
    another area of it, in another session and after another login.
    """
    hashes = b"".join(hashlib.sha256(part.encode("utf-8", "replace")).digest() for part in parts)
    return urlsafe_b64encode(hmac.digest(secret, b"xsrf" + hashes, "sha256")).decode().rstrip("=")


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
