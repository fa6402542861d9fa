"""The settings of sign-in."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from common.hub.tls import TLSFiles


@dataclass(frozen=True)
class OAuthSettings:
    """The settings of sign-in. With empty ``access_scopes`` no one has access.

    prefix: the path of the service's pages, with a slash at both ends; cookies are limited to it.
    public_hub_url: ends in a slash; includes a host only if browsers reach the Hub on another one.
    redirect_path: as registered with the Hub; default: oauth_callback below the prefix.
    cache_seconds: how long reads may use the Hub's last reply about a token.
    request_timeout: seconds after which a request to the Hub is given up.
    allow_frames: whether other pages may show this service's pages in a frame.
    allow_plain_http: let browsers read pages without saying which page sent the request, as they
        do on plain HTTP. Every page of the same origin can then read what the user can.
    cookie_secret: random by default, so after a restart every user signs in again (without
        entering a password).
    cookie_host_prefix: name cookies __Host-..., which moves them to the path /. On an origin of its
        own and over https, a service always does.
    cookie_options: more attributes for all cookies, as in JUPYTERHUB_COOKIE_OPTIONS; ``path`` and
        ``httponly`` are ignored.
    """

    api_url: str
    api_token: str = field(repr=False)
    client_id: str
    prefix: str
    access_scopes: frozenset[str]
    public_hub_url: str = "/hub/"
    redirect_path: str = ""
    tls: "TLSFiles | None" = None
    cache_seconds: float = 30.0
    request_timeout: float = 10.0
    allow_frames: bool = False
    allow_plain_http: bool = False
    cookie_secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    cookie_host_prefix: bool = False
    cookie_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def redirect_uri(self) -> str:
        """Where the Hub sends the browser back to; must equal the registered value."""
        return self.redirect_path or self.prefix + "oauth_callback"

    @property
    def own_origin(self) -> bool:
        """Whether browsers reach the service on another host than the Hub and users' servers.

        Only if both addresses are known and differ: cookies for a shared host's path / would be
        sent to users' servers. The Hub's address alone says nothing, because JupyterHub passes it
        on whenever ``public_url`` is set.
        """
        own, hub = urlsplit(self.redirect_path).hostname, urlsplit(self.public_hub_url).hostname
        return bool(own and hub and own != hub)

    @property
    def base_url(self) -> str:
        """The Hub's base path, with a slash at the end."""
        return urlsplit(self.public_hub_url).path.rstrip("/").rpartition("/")[0] + "/"
