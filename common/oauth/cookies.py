"""The cookies of sign-in: the user's token, and the state of a login."""

from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import web

from common.clock import Clock
from common.oauth.cookie_header import cookie_paths, repeated
from common.oauth.hub_oauth import (
    CookieHandler,
    HubOAuth,
    make_application,
    make_oauth,
    sign,
    speaks_https,
    unsign,
)
from common.oauth.request import is_websocket
from common.oauth.settings import OAuthSettings
from common.oauth.state import LOGIN_SECONDS, Login

_SESSION_COOKIE = "jupyterhub-session-id"
# Cookies of logins that were never finished. Those of further ones are cleared: a browser that
# sends more than about 8 kB of cookies gets an error from every server.
_MAX_STATE_COOKIES = 8
_MAX_STATE_BYTES = 3000

_CACHE_SECONDS = 30.0
_MAX_CACHED = 4096

_HANDLER: web.RequestKey[CookieHandler] = web.RequestKey("cookie_handler", CookieHandler)


@dataclass(slots=True)
class Session:
    """The content of a request's cookies: the user's token and the Hub's session id, or empty.

    ``own_cookies``: no other page can have set the token's cookie, because of its prefix __Host-
    on an origin that belongs to this service alone.
    """

    token: str
    session_id: str
    read_at: float
    own_cookies: bool = False


class Cookies:
    """Reads the cookies of requests, and records those to set until the response starts.

    All are HttpOnly, limited to the service's prefix, SameSite=Lax, and Secure where the browser
    uses https. On an origin of its own, a service that is reached over https gives them the prefix
    __Host-, which no other host can set. On a shared origin that would be harmful: such a cookie
    has the path /, so browsers would send it to students' servers, too.
    """

    def __init__(self, settings: OAuthSettings, clock: Clock) -> None:
        self._settings = settings
        self._plain = make_oauth(settings)
        self._prefixed = make_oauth(settings, host_prefix=True)
        self._clock = clock
        self._sessions: OrderedDict[tuple[str, bool], Session] = OrderedDict()
        self._application = make_application(settings)

    def session(self, request: web.Request) -> Session:
        """The token, if its signature is valid, and the Hub's session id.

        A browser sends the same header with every request, so the content of a valid one is cached
        for 30 s: parsing it and verifying its signature takes 50 µs of a proxied request's 100.

        Raises 400 if a cookie was sent twice: one of the two may come from another page.
        """
        header = "; ".join(request.headers.getall("Cookie", ()))
        now = self._clock.monotonic()
        oauth = self._oauth(request)
        if is_websocket(request) and not oauth.allow_websocket_cookie_auth:
            return Session("", "", now)
        prefixed: bool = oauth.cookie_host_prefix_enabled
        session = self._sessions.get((header, prefixed))
        if session is not None and now - session.read_at < _CACHE_SECONDS:
            return session
        own = prefixed and self._settings.own_origin
        watched = (oauth.cookie_name,) if own else (oauth.cookie_name, _SESSION_COOKIE)
        if name := repeated(header, *watched):
            self._refuse_repeated(request, name)
        cookies = request.cookies
        token = ""
        if oauth.cookie_name in cookies:
            token = oauth.get_token(self._handler(request)) or ""
        session = Session(token, cookies.get(_SESSION_COOKIE, ""), now, own)
        if token:
            self._sessions[(header, prefixed)] = session
            self._sessions.move_to_end((header, prefixed))
            if len(self._sessions) > _MAX_CACHED:
                self._sessions.popitem(last=False)
        return session

    def set_token(self, request: web.Request, token: str) -> None:
        """Sign the browser in."""
        oauth, handler = self._oauth(request), self._handler(request)
        oauth.set_cookie(handler, token)
        handler.forget_cookie("_xsrf", oauth.base_url)  # see common.oauth.xsrf.make_token

    def clear(self, request: web.Request) -> None:
        """Sign the browser out."""
        self._oauth(request).clear_cookie(self._handler(request))

    def set_readable(self, request: web.Request, name: str, value: str, path: str) -> None:
        """Set a cookie that the scripts of every page below ``path`` can read."""
        secure = self.is_https(request)
        self._handler(request).set_cookie(name, value, path=path, samesite="Lax", secure=secure)

    def set_state(self, request: web.Request, login: Login) -> None:
        """Let the browser prove at the callback that it began this login, and where it leads."""
        oauth, handler = self._oauth(request), self._handler(request)
        unfinished = [
            (name, len(value))
            for name, value in request.cookies.items()
            if name.startswith(oauth.state_cookie_name)
        ]
        while len(unfinished) >= _MAX_STATE_COOKIES or (
            sum(size for _, size in unfinished) > _MAX_STATE_BYTES
        ):
            self._clear_state(request, unfinished.pop(0)[0])
        name = self._state_cookie(request, login)
        content = f"{login.state} {login.next_url}"
        handler.set_cookie(
            name,
            sign(self._application, name, content, now=self._clock.now()),
            path=oauth.cookie_path,
            httponly=True,
            samesite="Lax",
            max_age=int(LOGIN_SECONDS),
            secure=self.is_https(request) or oauth.cookie_host_prefix_enabled,
        )

    def take_state(self, request: web.Request, login: Login) -> str | None:
        """The path to open after a login that this browser began. Clears its state cookie.

        None if the browser did not begin this login, or more than ten minutes ago.
        """
        name = self._state_cookie(request, login)
        sent = request.cookies.get(name)
        if sent is None:
            return None
        self._clear_state(request, name)
        now = self._clock.now()
        content = unsign(self._application, name, sent, now=now, max_age=LOGIN_SECONDS)
        state, _, next_url = content.partition(" ")
        return next_url if content and state == login.state else None

    def is_https(self, request: web.Request) -> bool:
        """Whether the browser uses https, according to the outermost proxy."""
        return speaks_https(request.headers, request.scheme)  # a handler costs 100 times as much

    async def write(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the recorded cookies to the response (a signal handler of aiohttp)."""
        handler = request.get(_HANDLER)
        for value in handler.set_cookie_headers() if handler else ():
            response.headers.add("Set-Cookie", value)

    def _oauth(self, request: web.Request) -> HubOAuth:
        """Names and attributes of the cookies, with or without the prefix __Host-."""
        settings = self._settings
        prefix = settings.cookie_host_prefix or (settings.own_origin and self.is_https(request))
        return self._prefixed if prefix else self._plain

    def _refuse_repeated(self, request: web.Request, name: str) -> None:
        handler = self._handler(request)
        secure = self._oauth(request).cookie_host_prefix_enabled
        for path in cookie_paths(request.path):
            if name != _SESSION_COOKIE or path != self._settings.base_url:
                handler.clear_cookie(name, path=path, secure=secure)
        raise web.HTTPBadRequest(
            text=f"Your browser sent two cookies named {name}. One of them may come from another"
            " page of this site. Reload this page. If that does not help, delete this site's"
            " cookies and sign in again."
        )

    def _state_cookie(self, request: web.Request, login: Login) -> str:
        return f"{self._oauth(request).state_cookie_name}-{login.cookie_suffix}"

    def _clear_state(self, request: web.Request, name: str) -> None:
        oauth = self._oauth(request)
        # Browsers ignore a Set-Cookie for __Host-... without Secure, also one that clears it.
        secure = oauth.cookie_host_prefix_enabled
        self._handler(request).clear_cookie(name, path=oauth.cookie_path, secure=secure)

    def _handler(self, request: web.Request) -> CookieHandler:
        handler = request.get(_HANDLER)
        if handler is None:
            handler = CookieHandler(self._application, request, self._oauth(request))
            request[_HANDLER] = handler
        return handler
