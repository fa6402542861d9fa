"""JupyterHub's cookies, XSRF tokens and scope check, used without its Tornado server.

Cookies and XSRF tokens are made and verified by JupyterHub's own ``HubOAuth``, so that their format
and their security fixes come with JupyterHub. ``HubOAuth`` takes Tornado request handlers, so
:class:`CookieHandler` is one: it is made from an aiohttp request and never serves anything.

Only this file imports JupyterHub and Tornado. It depends on three details that they do not promise:

- a ``RequestHandler`` can be made without a server; of its connection it uses only ``context`` and
  ``set_close_callback`` (:class:`_Connection`);
- every cookie that is set or cleared passes through ``RequestHandler.set_cookie``;
- ``jupyterhub.utils.get_browser_protocol`` reads only ``headers`` and ``protocol`` of a request.

tests/common/oauth/test_hub_oauth.py checks each of them, and pyproject.toml excludes the next major
versions. Importing this file takes 0.7 s and 40 MB; only services with pages do.
"""

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
from tornado.web import Application, RequestHandler

from common.hub.connection import plain_url
from common.oauth.settings import OAuthSettings

__all__ = [
    "CookieHandler",
    "HubOAuth",
    "make_application",
    "make_oauth",
    "scopes_grant",
    "speaks_https",
]

#: The request headers that JupyterHub needs. Authorization is not among them: HubOAuth would take
#: a token from it, which is the task of common.oauth.request.
_HEADERS = (
    "Cookie",
    "Forwarded",
    "Host",
    "Sec-Fetch-Mode",
    "User-Agent",
    "X-Forwarded-Proto",
    "X-Scheme",
)


def make_oauth(settings: OAuthSettings) -> HubOAuth:
    """HubOAuth with exactly these settings; nothing is read from the environment.

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
        cookie_host_prefix_enabled=settings.cookie_host_prefix,
        cookie_options={"samesite": "Lax", **options},
        keyfile="",  # it sends no requests: common.oauth.tokens does
        certfile="",
        client_ca="",
    )


def make_application(settings: OAuthSettings) -> Application:
    """The Tornado application of the handlers: the secret that signs cookies, and their options."""
    xsrf_cookie = {"samesite": "Lax", "httponly": not settings.xsrf_cookie_readable}
    return Application(cookie_secret=settings.cookie_secret, xsrf_cookie_kwargs=xsrf_cookie)


class CookieHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]  # JupyterHub has no types
    """A Tornado handler that reads and records cookies. It never serves anything."""

    def __init__(self, application: Application, request: web.BaseRequest, oauth: HubOAuth) -> None:
        self.hub_auth = oauth
        self.signed_in = False
        self._cookies_to_set: dict[str, Morsel[str]] = {}
        super().__init__(application, _tornado_request(request))

    def get_current_user(self) -> bool:
        """Whether the user is signed in. The inherited method would block on a Hub request."""
        return self.signed_in

    @property
    def https(self) -> bool:
        """Whether the browser uses https, according to the outermost proxy."""
        return speaks_https(self.request.headers, self.request.protocol)

    @property
    def settings(self) -> dict[str, Any]:
        """The application's settings, with the XSRF cookie Secure where the browser uses https."""
        shared = self.application.settings
        options = {**shared.get("xsrf_cookie_kwargs", {}), "secure": self.https}
        return {**shared, "xsrf_cookie_kwargs": options}

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
        self._cookies_to_set[name] = morsel

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
