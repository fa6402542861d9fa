"""JupyterHub's cookies and scope check, used without its Tornado server.

Cookies are made and verified by JupyterHub's own ``HubOAuth`` and by Tornado, so that their format
and their security fixes come from there. ``HubOAuth`` takes Tornado request handlers, so
:class:`CookieHandler` is one: it is made from an aiohttp request and never serves anything.

Only this file imports JupyterHub and Tornado. It depends on three details that they do not promise:

- a ``RequestHandler`` can be made without a server; of its connection it uses only ``context`` and
  ``set_close_callback`` (:class:`_Connection`);
- every cookie that is set or cleared passes through ``RequestHandler.set_cookie``;
- ``jupyterhub.utils.get_browser_protocol`` reads only ``headers`` and ``protocol`` of a request.

tests/common/oauth/test_hub_oauth.py checks each of them, and pyproject.toml excludes the next major
versions. Importing this file takes 0.7 s and 40 MB; only services with pages do.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.cookies import Morsel, SimpleCookie
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from aiohttp import web
from jupyterhub.services.auth import HubOAuth, HubOAuthenticated, check_scopes
from jupyterhub.utils import get_browser_protocol
from tornado.escape import native_str
from tornado.httputil import (
    HTTPHeaders,
    HTTPInputError,
    HTTPServerRequest,
    RequestStartLine,
    format_timestamp,
)
from tornado.web import (
    Application,
    RequestHandler,
    create_signed_value,
    decode_signed_value,
)

from common.hub.connection import plain_url
from common.oauth.settings import OAuthSettings

__all__ = [
    "CookieHandler",
    "HubOAuth",
    "make_application",
    "make_oauth",
    "scopes_grant",
    "sign",
    "speaks_https",
    "unsign",
]

#: The request headers that JupyterHub needs. Authorization is not among them: HubOAuth would take
#: a token from it, which is the task of common.oauth.request.
_HEADERS = (
    "Cookie",
    "Forwarded",
    "Host",
    "Sec-Fetch-Mode",
    "X-Forwarded-Proto",
    "X-Scheme",
)


def make_oauth(settings: OAuthSettings, *, host_prefix: bool = False) -> HubOAuth:
    """HubOAuth with exactly these settings; nothing is read from the environment.

    ``host_prefix`` names its cookies __Host-..., with the path /.

    Never use ``HubOAuth.instance()``: two applications in one process would share it.
    """
    hub = urlsplit(settings.public_hub_url)
    options = {k: v for k, v in settings.cookie_options.items() if k not in ("path", "httponly")}
    return HubOAuth(
        api_url=plain_url(settings.api_url),
        api_token=settings.api_token,
        base_url=settings.prefix,
        hub_host=f"{hub.scheme}://{hub.netloc}" if hub.netloc else "",
        hub_prefix=hub.path or "/hub/",
        oauth_client_id=settings.client_id,
        oauth_redirect_uri=settings.redirect_uri,
        access_scopes=set(settings.access_scopes),
        cookie_host_prefix_enabled=host_prefix,
        cookie_options={"samesite": "Lax", **options},
        keyfile="",  # it sends no requests: common.oauth.tokens does
        certfile="",
        client_ca="",
    )


def make_application(settings: OAuthSettings) -> Application:
    """The Tornado application of the handlers: it has the secret that signs this service's cookies.

    The secret depends on the client id: services that share one cannot read each other's cookies.
    """
    client = settings.client_id.encode("utf-8", "replace")
    return Application(cookie_secret=hmac.digest(settings.cookie_secret, client, "sha256"))


def sign(application: Application, name: str, value: str, *, now: datetime) -> str:
    """A signed value for the cookie ``name``, with the time ``now`` in it."""
    secret = application.settings["cookie_secret"]
    return create_signed_value(secret, name, value, clock=now.timestamp).decode("ascii")


def unsign(
    application: Application, name: str, value: str, *, now: datetime, max_age: float
) -> str:
    """The content of a signed value; empty if it is invalid or older than ``max_age`` seconds."""
    content = decode_signed_value(
        application.settings["cookie_secret"],
        name,
        value,
        max_age_days=max_age / 86400,
        clock=now.timestamp,
        min_version=2,
    )
    return content.decode("utf-8", "replace") if content else ""


class CookieHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]  # JupyterHub has no types
    """A Tornado handler that reads and records cookies. It never serves anything."""

    def __init__(self, application: Application, request: web.BaseRequest, oauth: HubOAuth) -> None:
        self.hub_auth = oauth
        self._cookies_to_set: dict[tuple[str, str], Morsel[str]] = {}
        super().__init__(application, _tornado_request(request))

    def get_current_user(self) -> bool:
        """False. The inherited method would block on a Hub request."""
        return False

    def set_cookie(
        self,
        name: str,
        value: str | bytes,
        domain: str | None = None,
        expires: float | tuple[int, ...] | datetime | None = None,
        path: str = "/",
        expires_days: float | None = None,
        **attributes: Any,
    ) -> None:
        """Record a cookie to set; the arguments are those of Tornado's method."""
        if expires is None and expires_days is not None:
            expires = datetime.now(UTC) + timedelta(days=expires_days)
        cookie: SimpleCookie = SimpleCookie()
        cookie[name] = native_str(value)
        morsel = cookie[name]
        attributes |= {"domain": domain, "path": path}
        if expires is not None:
            attributes["expires"] = format_timestamp(expires)
        for attribute, content in attributes.items():
            if content:
                morsel[attribute.replace("_", "-")] = content
        self._cookies_to_set[name, path] = morsel

    def forget_cookie(self, name: str, path: str) -> None:
        """Do not set a cookie that was recorded."""
        self._cookies_to_set.pop((name, path), None)

    def set_cookie_headers(self) -> list[str]:
        """The values of the Set-Cookie headers."""
        return [morsel.OutputString() for morsel in self._cookies_to_set.values()]


def speaks_https(headers: Mapping[str, str], scheme: str) -> bool:
    """Whether the browser uses https, according to the outermost proxy.

    ``scheme`` is that of the connection to this service.
    """
    request = SimpleNamespace(headers=headers, protocol=scheme)
    return bool(get_browser_protocol(request) == "https")


@lru_cache(maxsize=4096)
def scopes_grant(access_scopes: frozenset[str], scopes: frozenset[str]) -> bool:
    """Whether ``scopes`` include one of ``access_scopes``, with filters (``!service=x``) respected.

    Empty ``access_scopes`` grant access to no one.
    """
    return bool(access_scopes) and bool(check_scopes(set(access_scopes), set(scopes)))


class _Connection:
    """The part of a connection that a Tornado request and its handler use."""

    def __init__(self, remote_ip: str, protocol: str) -> None:
        self.context = SimpleNamespace(remote_ip=remote_ip, protocol=protocol)

    def set_close_callback(self, _callback: object) -> None:
        """Do nothing: the handler does not outlive the request."""


def _tornado_request(request: web.BaseRequest) -> HTTPServerRequest:
    headers = HTTPHeaders()
    for name in _HEADERS:
        if name in request.headers:  # the first of several, as aiohttp reads them
            headers.add(name, request.headers[name])
    # Without query and body: Tornado cannot log what it does not see.
    start = RequestStartLine(request.method, "/", "HTTP/1.1")
    connection = cast("Any", _Connection(request.remote or "127.0.0.1", request.scheme))
    try:
        return HTTPServerRequest(start_line=start, headers=headers, connection=connection)
    except HTTPInputError:
        headers["Host"] = "localhost"
        return HTTPServerRequest(start_line=start, headers=headers, connection=connection)
