"""JupyterHub's own HubOAuth, carried by aiohttp.

HubOAuth wants Tornado handlers for cookies and XSRF. :class:`Carrier` is a real Tornado
RequestHandler, made from an aiohttp request and never served: it reads the signed cookies and
collects those to set. :class:`ServiceOAuth` is HubOAuth with its requests sent through our
session, so that it works alike with JupyterHub 4.1, 5 and 6 (their HTTP clients differ) and
tells a Hub that is away from a token that is bad.

Importing this takes most of a second and 40 MB (it pulls JupyterHub in): only a service that
serves pages does.
"""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web
from jupyterhub.services.auth import HubOAuth, HubOAuthenticated
from jupyterhub.utils import get_browser_protocol
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPServerRequest, RequestStartLine
from tornado.web import Application, RequestHandler

from common.errors import HubBadResponse, HubFailed, HubForbidden, HubRejected, HubUnavailable
from common.hub.connection import plain_url
from common.oauth.settings import OAuthSettings

_PASSED_ON = (
    "Cookie",
    "Forwarded",
    "Host",
    "Sec-Fetch-Mode",
    "User-Agent",
    "X-Forwarded-Proto",
    "X-Scheme",
)


class ServiceOAuth(HubOAuth):  # type: ignore[misc]  # JupyterHub has no types
    """HubOAuth over a session of ours. Never use ``.instance()``: it would be shared."""

    session: aiohttp.ClientSession
    timeout: aiohttp.ClientTimeout

    async def _api_request(self, method: str, url: str, /, **kwargs: Any) -> Any:
        """Send a request of HubOAuth's; the JSON answer, or None for a token it refuses.

        Raises the errors of :mod:`common.errors`. ``allow_403`` is set where the token asked
        about is the user's; otherwise a refusal means that our own is bad.
        """
        allow_403 = kwargs.pop("allow_403", False)
        headers = {"Authorization": f"token {self.api_token}", **kwargs.pop("headers", {})}
        data = kwargs.pop("data", None) or kwargs.pop("body", None)
        try:
            async with self.session.request(
                method,
                url,
                data=data,
                headers=headers,
                timeout=self.timeout,
                allow_redirects=False,
            ) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = type(error).__name__
            raise HubUnavailable(f"no answer: {reason}", method=method, url=url) from None
        if status in (401, 403) and allow_403:
            return None
        _raise_for(status, body, method, url)
        try:
            return json.loads(body)
        except ValueError:
            raise HubBadResponse("not JSON", method=method, url=url, status=status) from None

    async def model_of(self, token: str) -> Mapping[str, Any] | None:
        """The Hub's model of whoever holds the token, None for a token it does not accept."""
        model = await self.user_for_token(token, use_cache=False, sync=False)
        if model is None:
            return None
        if not isinstance(model, dict) or not isinstance(model.get("name"), str):
            raise HubBadResponse("not a user or service", method="GET", url=f"{self.api_url}/user")
        return model

    def challenge(self) -> tuple[str, str]:
        """A PKCE code verifier and its S256 challenge."""
        if hasattr(self, "generate_pkce_code_challenge"):
            verifier, challenge, _ = self.generate_pkce_code_challenge()
            return verifier, challenge
        # Before JupyterHub 6: oauthlib, which JupyterHub itself stands on.
        from oauthlib.oauth2 import WebApplicationClient  # type: ignore[import-untyped]  # no types

        client = WebApplicationClient(self.oauth_client_id)
        verifier = client.create_code_verifier(64)
        return verifier, client.create_code_challenge(verifier, "S256")

    async def exchange(self, code: str, code_verifier: str) -> str:
        """The token for a code. ``token_for_code`` sends no verifier before JupyterHub 6.

        Raises HubRejected for a code that is wrong, used or too old, HubForbidden when the
        Hub does not know us.
        """
        form = {
            "client_id": self.oauth_client_id,
            "client_secret": self.api_token,
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": self.oauth_redirect_uri,
        }
        answer = await self._api_request(
            "POST",
            self.oauth_token_url,
            data=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise HubBadResponse("no token in it", method="POST", url=self.oauth_token_url)
        return token

    def _get_token_url(self, _handler: object) -> str:
        return ""  # no token in an address: addresses end up in logs and histories


class Carrier(HubOAuthenticated, RequestHandler):  # type: ignore[misc]  # JupyterHub has no types
    """A Tornado handler that only carries cookies; nothing is ever served by it."""

    signed_in = False

    def __init__(
        self, application: Application, request: web.BaseRequest, oauth: ServiceOAuth
    ) -> None:
        self.hub_auth = oauth
        super().__init__(application, _tornado_request(request))

    def get_current_user(self) -> bool:
        return self.signed_in  # HubAuthenticated's own would ask the Hub, blocking the loop

    @property
    def https(self) -> bool:
        """Whether the browser speaks https, by the outermost proxy's word."""
        return speaks_https(self.request.headers, self.request.protocol)

    @property
    def settings(self) -> dict[str, Any]:
        options = {**self.application.settings.get("xsrf_cookie_kwargs", {}), "secure": self.https}
        return {**self.application.settings, "xsrf_cookie_kwargs": options}

    def set_cookie_lines(self) -> list[str]:
        """The values for Set-Cookie headers."""
        cookies = getattr(self, "_new_cookie", None) or {}
        return [cast("str", cookie.OutputString(None)) for cookie in cookies.values()]


def speaks_https(headers: Mapping[str, str], scheme: str) -> bool:
    """Whether the browser does, by the outermost proxy's word; ``scheme`` is our connection's."""
    request = SimpleNamespace(headers=headers, protocol=scheme)
    return bool(get_browser_protocol(request) == "https")


def make_oauth(settings: OAuthSettings) -> ServiceOAuth:
    """HubOAuth for these settings and no others: nothing is left to the environment."""
    hub = urlsplit(settings.public_hub_url)
    options = {k: v for k, v in settings.cookie_options.items() if k not in ("path", "httponly")}
    return ServiceOAuth(
        api_url=plain_url(settings.api_url),  # the session knows the socket
        api_token=settings.api_token,
        base_url=settings.prefix,
        hub_host=f"{hub.scheme}://{hub.netloc}" if hub.netloc else "",
        hub_prefix=hub.path or "/hub/",
        oauth_client_id=settings.client_id,
        oauth_redirect_uri=settings.redirect_path or settings.prefix + "oauth_callback",
        access_scopes=set(settings.access_scopes),
        cookie_host_prefix_enabled=settings.cookie_host_prefix,
        cookie_options={"samesite": "Lax", **options},
        keyfile="",  # TLS is our session's
        certfile="",
        client_ca="",
    )


async def close_jupyterhub_client() -> None:
    """Close what JupyterHub 6 may have opened for this loop behind our back."""
    try:
        from jupyterhub.httpclient import JupyterHubHTTPClient
    except ImportError:
        return  # before JupyterHub 6
    if JupyterHubHTTPClient.initialized():
        await JupyterHubHTTPClient.loop_instance().close()


class _Connection:
    """What a Tornado request wants to know of its connection."""

    def __init__(self, remote_ip: str, protocol: str) -> None:
        self.context = SimpleNamespace(remote_ip=remote_ip, protocol=protocol)

    def set_close_callback(self, _callback: object) -> None:
        pass


def _tornado_request(request: web.BaseRequest) -> HTTPServerRequest:
    headers = HTTPHeaders()
    for name in _PASSED_ON:
        if name in request.headers:  # the first of several, as aiohttp reads them
            headers.add(name, request.headers[name])
    # Neither query nor body goes along: what Tornado does not see it cannot log.
    start = RequestStartLine(request.method, "/", "HTTP/1.1")
    connection = cast("Any", _Connection(request.remote or "127.0.0.1", request.scheme))
    try:
        return HTTPServerRequest(start_line=start, headers=headers, connection=connection)
    except HTTPInputError:
        headers["Host"] = "localhost"
        return HTTPServerRequest(start_line=start, headers=headers, connection=connection)


def _raise_for(status: int, body: bytes, method: str, url: str) -> None:
    where: dict[str, Any] = {"method": method, "url": url, "status": status}
    if status < 300:
        return
    if status in (401, 403) or b"invalid_client" in body:
        raise HubForbidden("the Hub does not accept this service's token", **where)
    # 404 is the proxy's word while the Hub behind it is away.
    if status in (404, 429, 502, 503, 504) or status < 400:
        raise HubUnavailable(f"answered {status}", **where)
    if status >= 500:
        raise HubFailed(f"answered {status}", **where)
    raise HubRejected(f"answered {status}", **where)
