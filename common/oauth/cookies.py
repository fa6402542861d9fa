"""The cookies of sign-in: the user's token, the state of a login, and ``_xsrf``."""

import hmac
from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import web

from common.clock import Clock
from common.oauth.hub_oauth import CookieHandler, HubOAuth, make_application, speaks_https
from common.oauth.request import is_websocket
from common.oauth.settings import OAuthSettings
from common.oauth.state import LOGIN_SECONDS, Login

_SESSION_COOKIE = "jupyterhub-session-id"
_MAX_STATE_COOKIES = 8  # logins that were never finished; the cookies of further ones are cleared

_CACHE_SECONDS = 30.0
_MAX_CACHED = 4096

_HANDLER: web.RequestKey[CookieHandler] = web.RequestKey("cookie_handler", CookieHandler)
_SIGNED_IN: web.RequestKey[bool] = web.RequestKey("signed_in", bool)


@dataclass(slots=True)
class Session:
    """The content of a request's cookies: the user's token and the Hub's session id, or empty."""

    token: str
    session_id: str
    read_at: float
    xsrf: str = ""  # the XSRF token of this session, once a request has sent it


class Cookies:
    """Reads the cookies of requests, and records those to set until the response starts.

    All are HttpOnly, limited to the service's prefix, SameSite=Lax, and Secure where the browser
    uses https. Scripts may read ``_xsrf`` if the settings say so.
    """

    def __init__(self, oauth: HubOAuth, settings: OAuthSettings, clock: Clock) -> None:
        self._oauth = oauth
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._application = make_application(settings)

    def session(self, request: web.Request) -> Session:
        """The token, if its signature is valid, and the Hub's session id.

        A browser sends the same header with every request, so the content of a valid one is cached
        for 30 s: parsing it and verifying its signature takes 50 µs of a proxied request's 100.
        """
        header = request.headers.get("Cookie", "")
        now = self._clock.monotonic()
        if is_websocket(request) and not self._oauth.allow_websocket_cookie_auth:
            return Session("", "", now)
        session = self._sessions.get(header)
        if session is not None and now - session.read_at < _CACHE_SECONDS:
            return session
        cookies = request.cookies
        token = ""
        if self._oauth.cookie_name in cookies:
            token = self._oauth.get_token(self._handler(request)) or ""
        session = Session(token, cookies.get(_SESSION_COOKIE, ""), now)
        if token:
            self._sessions[header] = session
            self._sessions.move_to_end(header)
            if len(self._sessions) > _MAX_CACHED:
                self._sessions.popitem(last=False)
        return session

    def set_token(self, request: web.Request, token: str) -> None:
        """Sign the browser in. This also replaces the XSRF token."""
        self._oauth.set_cookie(self._handler(request), token)

    def clear(self, request: web.Request) -> None:
        """Sign the browser out."""
        handler = self._handler(request)
        self._oauth.clear_cookie(handler)
        handler.clear_cookie("_xsrf", path=self._oauth.base_url)

    def set_state(self, request: web.Request, login: Login) -> None:
        """Let the browser prove at the callback that it began this login."""
        handler = self._handler(request)
        unfinished = [n for n in request.cookies if n.startswith(self._oauth.state_cookie_name)]
        for name in unfinished[: max(0, len(unfinished) + 1 - _MAX_STATE_COOKIES)]:
            self._clear_state(handler, name)
        handler.set_signed_cookie(
            login.cookie_name,
            login.state,
            expires_days=None,
            path=self._oauth.cookie_path,
            httponly=True,
            samesite="Lax",
            max_age=int(LOGIN_SECONDS),
            secure=handler.https or self._oauth.cookie_host_prefix_enabled,
        )

    def take_state(self, request: web.Request, login: Login) -> bool:
        """Whether this browser began the login. Clears its state cookie."""
        handler = self._handler(request)
        state: bytes = handler.get_signed_cookie(login.cookie_name) or b""
        self._clear_state(handler, login.cookie_name)
        return hmac.compare_digest(state, login.state.encode())

    def xsrf_token(self, request: web.Request) -> str:
        """The XSRF token of this session. A page's response also sets its cookie if necessary."""
        token: bytes | str = self._handler(request).xsrf_token
        return token.decode("ascii") if isinstance(token, bytes) else token

    def xsrf_matches(self, request: web.Request, token: str) -> bool:
        """Whether ``token`` is the XSRF token of this session."""
        session = self.session(request)
        expected = session.xsrf or self.xsrf_token(request)
        matches = hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode())
        # Without a Hub session, the token depends on more than the cookies: it is not cached.
        if matches and session.token and session.session_id:
            session.xsrf = expected
        return matches

    def mark_signed_in(self, request: web.Request) -> None:
        """Let the ``_xsrf`` cookie last for the session instead of an hour."""
        request[_SIGNED_IN] = True

    def is_https(self, request: web.Request) -> bool:
        """Whether the browser uses https, according to the outermost proxy."""
        return speaks_https(request.headers, request.scheme)  # a handler costs 100 times as much

    async def write(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the recorded cookies to the response (a signal handler of aiohttp)."""
        handler = request.get(_HANDLER)
        for value in handler.set_cookie_headers() if handler else ():
            response.headers.add("Set-Cookie", value)

    def _clear_state(self, handler: CookieHandler, name: str) -> None:
        # Browsers ignore a Set-Cookie for __Host-... without Secure, also one that clears it.
        secure = self._oauth.cookie_host_prefix_enabled
        handler.clear_cookie(name, path=self._oauth.cookie_path, secure=secure)

    def _handler(self, request: web.Request) -> CookieHandler:
        handler = request.get(_HANDLER)
        if handler is None:
            handler = CookieHandler(self._application, request, self._oauth)
            request[_HANDLER] = handler
        handler.signed_in = request.get(_SIGNED_IN, False)
        return handler
