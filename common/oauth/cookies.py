"""Our cookies: the token, the state of a login, ``_xsrf``. Signed and read by Tornado."""

import hmac
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from tornado.web import Application

from common.clock import Clock
from common.oauth.hub_oauth import Carrier, ServiceOAuth, speaks_https
from common.oauth.settings import OAuthSettings
from common.oauth.state import LOGIN_SECONDS, Login
from common.web.security_headers import is_websocket

_SESSION_COOKIE = "jupyterhub-session-id"
_MOST_UNFINISHED = 8  # state cookies of logins that were never finished; more are cleared

_READ_SECONDS = 30.0  # for how long a Cookie header that was once read is not read anew
_MOST_READ = 4096

_CARRIER: web.RequestKey[Carrier] = web.RequestKey("carrier", Carrier)
_SIGNED_IN: web.RequestKey[bool] = web.RequestKey("signed_in", bool)


@dataclass(slots=True)
class Session:
    """What a request's cookies say: our token and the Hub's session id, either may be empty."""

    token: str
    session_id: str
    read_at: float
    xsrf: str = ""  # the XSRF token that was found to fit


class Cookies:
    """Reads the cookies of requests, and collects those to set until the answer begins.

    All are HttpOnly, below our prefix, SameSite=Lax, and Secure where the browser speaks
    https. ``_xsrf`` may be readable by our pages' scripts, if so wished.
    """

    def __init__(self, oauth: ServiceOAuth, settings: OAuthSettings, clock: Clock) -> None:
        self._oauth = oauth
        self._clock = clock
        self._read: OrderedDict[str, Session] = OrderedDict()
        self._application = Application(
            cookie_secret=settings.cookie_secret,
            xsrf_cookie_kwargs={
                "samesite": "Lax",
                "httponly": not settings.xsrf_cookie_readable,
            },
        )

    def session(self, request: web.Request) -> Session:
        """Our token, if its signature holds, and the session of the Hub.

        A browser sends the same header again and again, so what a good one held is kept for
        a moment: parsing it and checking its signature costs 50 µs, a proxied request 100.
        """
        header = request.headers.get("Cookie", "")
        now = self._clock.monotonic()
        if is_websocket(request) and not self._oauth.allow_websocket_cookie_auth:
            return Session("", "", now)
        found = self._read.get(header)
        if found is not None and now - found.read_at < _READ_SECONDS:
            return found
        cookies = request.cookies
        token = ""
        if self._oauth.cookie_name in cookies:
            token = self._oauth._get_token_cookie(self._carrier(request)) or ""
        found = Session(token, cookies.get(_SESSION_COOKIE, ""), now)
        if token:
            self._read[header] = found
            self._read.move_to_end(header)
            if len(self._read) > _MOST_READ:
                self._read.popitem(last=False)
        return found

    def keep_token(self, request: web.Request, token: str) -> None:
        """Sign the browser in; the XSRF token changes with it."""
        self._oauth.set_cookie(self._carrier(request), token)

    def clear(self, request: web.Request) -> None:
        """Sign the browser out."""
        carrier = self._carrier(request)
        self._oauth.clear_cookie(carrier)
        carrier.clear_cookie("_xsrf", path=self._oauth.base_url)

    def keep_state(self, request: web.Request, login: Login) -> None:
        """Let the browser show at the callback that it is the one that began the login."""
        carrier = self._carrier(request)
        unfinished = [n for n in request.cookies if n.startswith(self._oauth.state_cookie_name)]
        for name in unfinished[: max(0, len(unfinished) + 1 - _MOST_UNFINISHED)]:
            self._clear_state(carrier, name)
        carrier.set_signed_cookie(
            login.cookie_name,
            login.state,
            expires_days=None,
            path=self._oauth.cookie_path,
            httponly=True,
            samesite="Lax",
            max_age=int(LOGIN_SECONDS),
            secure=carrier.https or self._oauth.cookie_host_prefix_enabled,
        )

    def took_state(self, request: web.Request, login: Login) -> bool:
        """Whether this browser began the login. Its state cookie is cleared."""
        carrier = self._carrier(request)
        state: bytes = carrier.get_signed_cookie(login.cookie_name) or b""
        self._clear_state(carrier, login.cookie_name)
        return hmac.compare_digest(state, login.state.encode())

    def xsrf_token(self, request: web.Request) -> str:
        """The XSRF token of this session; a page's answer also sets its cookie if need be."""
        token: bytes | str = self._carrier(request).xsrf_token
        return token.decode("ascii") if isinstance(token, bytes) else token

    def fits(self, request: web.Request, given: str) -> bool:
        """Whether ``given`` is the XSRF token of this session."""
        session = self.session(request)
        known = session.xsrf or self.xsrf_token(request)
        fits = hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())
        # Without a session of the Hub the token is bound to more than the cookies.
        if fits and session.token and session.session_id:
            session.xsrf = known
        return fits

    def signed_in(self, request: web.Request) -> None:
        """Note that the browser is signed in: its ``_xsrf`` cookie then lasts the session."""
        request[_SIGNED_IN] = True

    def is_https(self, request: web.Request) -> bool:
        """Whether the browser speaks https, by the outermost proxy's word."""
        return speaks_https(request.headers, request.scheme)  # a carrier costs 100 times as much

    async def send(self, request: web.Request, response: web.StreamResponse) -> None:
        """Put what was collected on the answer."""
        carrier = request.get(_CARRIER)
        for line in carrier.set_cookie_lines() if carrier else ():
            response.headers.add("Set-Cookie", line)

    def _clear_state(self, carrier: Any, name: str) -> None:
        self._oauth._clear_cookie(carrier, name, path=self._oauth.cookie_path)

    def _carrier(self, request: web.Request) -> Carrier:
        carrier = request.get(_CARRIER)
        if carrier is None:
            carrier = request[_CARRIER] = Carrier(self._application, request, self._oauth)
        carrier.signed_in = request.get(_SIGNED_IN, False)
        return carrier
