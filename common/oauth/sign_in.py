"""Sign-in through the Hub (OAuth) for an aiohttp application, from top to bottom.

A request: its token (header or cookie) → the XSRF check → the token's owner → access → identity.
A login: redirect to the Hub → callback → cookie. A logout: cookies cleared, token revoked.

Three failures are kept apart: the client's token is bad (401, 403 or the login page), the service's
own token is bad (500), and the Hub is down (503).

A cookie alone identifies a user only when a page is opened: every other request must also send the
XSRF token, in the header ``X-XSRFToken`` or as ``_xsrf`` in the form or the query (see
:mod:`common.oauth.xsrf`). A Hub token in the Authorization header needs no XSRF token.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Enum
from typing import NoReturn
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from yarl import URL

from common.clock import Clock, SystemClock
from common.errors import HubRejected
from common.oauth import xsrf
from common.oauth.request import header_token, is_websocket, wants_page
from common.oauth.settings import OAuthSettings
from common.oauth.state import Logins, local_path
from common.oauth.tokens import Identity, Tokens

__all__ = ["IDENTITY", "SIGN_IN", "Identity", "LogoutPage", "OAuthSettings", "SignIn"]

_FORM = "application/x-www-form-urlencoded"

#: Renders the page at ``logout``: request, whether the browser is signed in.
LogoutPage = Callable[[web.Request, bool], Awaitable[web.Response]]


class Refusal(Enum):
    """Why a request is refused, in the words that the client gets."""

    NOT_SIGNED_IN = "Send a Hub token, or sign in with a browser first."
    CROSS_SITE = "This request came from another site."
    OUTDATED_PAGE = "This page is out of date. Reload it and try again."
    NO_ACCESS = "You are signed in, but you do not have access to this service."


class SignIn:
    """Signs users in and identifies them. Each application has its own.

    Creating one imports JupyterHub (0.7 s, 40 MB).
    """

    def __init__(self, settings: OAuthSettings, clock: Clock | None = None) -> None:
        from common.oauth.cookies import Cookies
        from common.oauth.hub_oauth import make_oauth, scopes_grant

        clock = clock or SystemClock()
        self.settings = settings
        self._oauth = make_oauth(settings)
        self._scopes_grant = scopes_grant
        self._cookies = Cookies(self._oauth, settings, clock)
        self._tokens = Tokens(settings, clock)
        self._logins = Logins(clock)

    def setup(self, app: web.Application, *, logout_page: LogoutPage) -> None:
        """Add the routes oauth_callback, login and logout to ``app``, and the cookies' signal."""

        async def get_logout(request: web.Request) -> web.Response:
            return await logout_page(request, bool(self._cookies.session(request).token))

        app[SIGN_IN] = self
        app.on_response_prepare.append(self._cookies.write)
        app.cleanup_ctx.append(self._connected)
        prefix, router = self.settings.prefix, app.router
        router.add_get(prefix + "login", self._login, allow_head=False)
        callback = urlsplit(self.settings.redirect_uri).path
        router.add_get(callback, self._callback, allow_head=False)
        router.add_get(prefix + "logout", get_logout)
        router.add_post(prefix + "logout", self._logout)

    # -- a request

    async def identify(
        self, request: web.Request, *, fresh: bool = False, read_form: bool = True
    ) -> Identity | None:
        """The user or service that sent the request; None unless it is signed in and has access.

        Arguments and errors are those of :meth:`require`.
        """
        found = await self._judge(request, fresh=fresh, read_form=read_form, own_page=True)
        return found if isinstance(found, Identity) else None

    async def require(
        self,
        request: web.Request,
        *,
        fresh: bool = False,
        read_form: bool = True,
        own_page: bool = True,
    ) -> Identity:
        """The user or service that sent the request. It has access and passed the XSRF check.

        This is the only check a handler needs. Its result is also kept as ``request[IDENTITY]``.

        ``fresh`` asks the Hub instead of the cache: use it for requests that change something.
        ``read_form`` False leaves the body alone, and the XSRF token must be in the headers or the
        query; otherwise an urlencoded form is read (a multipart one never is).
        ``own_page`` False skips the XSRF check of reads, for content that every page may read.

        Raises a redirect to the login page for a browser that is not signed in, 401 for any other
        client, 403 without access or XSRF token, and HubUnavailable, HubFailed, HubForbidden or
        HubBadResponse if the Hub cannot answer and nothing is cached.
        """
        found = await self._judge(request, fresh=fresh, read_form=read_form, own_page=own_page)
        if isinstance(found, Identity):
            return found
        if found is not Refusal.NOT_SIGNED_IN:
            raise web.HTTPForbidden(text=found.value)
        if wants_page(request, self.settings.prefix):
            read = request.method in ("GET", "HEAD")
            self._redirect_to_hub(request, request.raw_path if read else "")
        raise web.HTTPUnauthorized(
            text=found.value, headers={"WWW-Authenticate": 'token realm="JupyterHub"'}
        )

    async def _judge(
        self, request: web.Request, *, fresh: bool, read_form: bool, own_page: bool
    ) -> Identity | Refusal:
        """Decide on a request: every one passes through here, once."""
        token, session_id = header_token(request), ""
        by_cookie = not token
        if by_cookie:
            session = self._cookies.session(request)
            token, session_id = session.token, session.session_id
            if not token:
                return Refusal.NOT_SIGNED_IN
            if own_page or request.method not in xsrf.READ_ONLY:
                refusal = await self._check_xsrf(request, read_form=read_form)
                if refusal is not None:
                    return refusal
        identity = await self._tokens.owner(session_id, token, fresh=fresh)
        if identity is None:
            return Refusal.NOT_SIGNED_IN
        if by_cookie:
            self._cookies.mark_signed_in(request)
        if not self.has_access(identity):
            return Refusal.NO_ACCESS
        request[IDENTITY] = identity
        return identity

    async def _check_xsrf(self, request: web.Request, *, read_form: bool) -> Refusal | None:
        """None if a request with a cookie comes from a page of this service."""
        form_token = await _form_token(request) if read_form else ""
        mode, site = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Site")
        if is_websocket(request):
            scheme = "https" if self._cookies.is_https(request) else "http"
            host = request.headers.get("Host", "")
            own = xsrf.is_own_origin(request.headers.get("Origin"), scheme=scheme, host=host)
            return None if own else Refusal.CROSS_SITE
        if xsrf.is_cross_site_write(request.method, site):
            return Refusal.CROSS_SITE
        if not xsrf.needs_token(request.method, mode, site):
            return None
        token = (
            request.headers.get("X-XSRFToken")
            or request.headers.get("X-CSRFToken")
            or request.query.get("_xsrf")
            or form_token
        )
        return None if self._cookies.xsrf_matches(request, token) else Refusal.OUTDATED_PAGE

    def has_access(self, identity: Identity) -> bool:
        """Whether the identity's scopes include an access scope of this service."""
        return self._scopes_grant(self.settings.access_scopes, identity.scopes)

    async def token_owner(self, request: web.Request) -> Identity | None:
        """The owner of the Hub token in the Authorization header, with or without access."""
        token = header_token(request)
        return await self._tokens.owner("", token, fresh=False) if token else None

    def xsrf_token(self, request: web.Request) -> str:
        """The token that forms (as ``_xsrf``) and scripts (as X-XSRFToken) must send back."""
        return self._cookies.xsrf_token(request)

    # -- a login

    async def _login(self, request: web.Request) -> web.Response:
        self._redirect_to_hub(request, "")

    def _redirect_to_hub(self, request: web.Request, next_url: str) -> NoReturn:
        """Send the browser to the Hub's login; afterwards it opens ``next_url``."""
        next_url = local_path(next_url, self.settings.prefix)
        login = self._logins.begin(next_url, self._oauth.state_cookie_name)
        self._cookies.set_state(request, login)
        query = urlencode(
            {
                "state": login.state,
                "code_challenge": login.code_challenge,
                "code_challenge_method": "S256",
            }
        )
        raise web.HTTPFound(URL(f"{self._oauth.login_url}&{query}", encoded=True))

    async def _callback(self, request: web.Request) -> web.Response:
        """The browser is back from the Hub: exchange the code for a token, keep it in a cookie."""
        query = request.query
        login = self._logins.take(query.get("state", ""))
        session = self._cookies.session(request)
        if login is None:
            await self._callback_expired(session.session_id, session.token)
        if not self._cookies.take_state(request, login):
            text = "This login was started in another browser, or cookies are disabled."
            raise web.HTTPForbidden(text=text)
        if "error" in query or not query.get("code"):
            raise web.HTTPForbidden(text="The Hub did not grant access to this service.")
        try:
            token, owner = await self._tokens.redeem(
                session.session_id, query["code"], login.code_verifier
            )
        except HubRejected:
            text = "The Hub no longer accepts this login. Please sign in again."
            raise web.HTTPBadRequest(text=text) from None
        if not self.has_access(owner):
            raise web.HTTPForbidden(text=Refusal.NO_ACCESS.value)
        self._cookies.set_token(request, token)
        raise web.HTTPFound(URL(login.next_url, encoded=True))

    async def _callback_expired(self, session_id: str, token: str) -> NoReturn:
        """The login is unknown, used or expired. A user who is signed in goes to the start page."""
        owner = await self._tokens.owner(session_id, token, fresh=False)
        if owner is not None and self.has_access(owner):
            raise web.HTTPFound(URL(self.settings.prefix, encoded=True))
        raise web.HTTPBadRequest(text="This login has expired. Please sign in again.")

    # -- a logout

    async def _logout(self, request: web.Request) -> web.Response:
        """Clear the cookies, and refuse the token from now on wherever it was copied to."""
        token = self._cookies.session(request).token
        if token:
            refusal = await self._check_xsrf(request, read_form=True)
            if refusal is not None:
                raise web.HTTPForbidden(text=refusal.value)
            self._tokens.revoke(token)
        self._cookies.clear(request)
        raise web.HTTPSeeOther(URL(self.settings.prefix + "logout", encoded=True))

    async def _connected(self, _app: web.Application) -> AsyncIterator[None]:
        async with self._tokens.connected():
            yield


SIGN_IN: web.AppKey[SignIn] = web.AppKey("sign_in", SignIn)
IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)


async def _form_token(request: web.Request) -> str:
    """The ``_xsrf`` of an urlencoded form. The handler can still read the form afterwards."""
    if request.content_type != _FORM or request.method in xsrf.READ_ONLY:
        return ""
    try:
        token = (await request.post()).get("_xsrf")
    except (LookupError, ValueError):  # unknown charset, or bytes that do not fit it
        raise web.HTTPBadRequest(text="The form cannot be read.") from None
    return token if isinstance(token, str) else ""
