"""Signing in with the Hub (OAuth), for an aiohttp application.

The cryptography is JupyterHub's and Tornado's (see :mod:`common.oauth.hub_oauth`); here is who
may come in, and what becomes of those who may not. Three failures are kept apart: the client's
token is bad (401, 403, or the login page), ours is bad (500), the Hub is away (503).

Cookies are believed only as far as JupyterHub believes them (see :mod:`common.oauth.xsrf`): what is
no visit of a page must bring the XSRF token along, in ``X-XSRFToken``, or ``_xsrf`` in the
form or query. A Hub token in the Authorization header needs none.
"""

from collections.abc import AsyncIterator
from enum import Enum
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from common.clock import Clock, SystemClock
from common.hub.connection import client_session
from common.oauth import xsrf
from common.oauth.settings import Identity, OAuthSettings, allows
from common.web.security_headers import header_token, is_websocket, wants_page

if TYPE_CHECKING:
    from common.oauth.hub_oauth import ServiceOAuth

__all__ = ["IDENTITY", "SIGN_IN", "Identity", "OAuthSettings", "SignIn"]

_FORM = "application/x-www-form-urlencoded"


class _Why(Enum):
    """What came of asking who it is."""

    WELCOME = "welcome"
    ANONYMOUS = "nobody is signed in"
    TOO_OLD = "This page is too old. Reload it and try again."
    FOREIGN = "This request came from another site's page."
    NO_ACCESS = "You are signed in, but this service is not for you."


class SignIn:
    """Signs people in, and says who asks. One per application; two share nothing.

    Making one imports JupyterHub (0.75 s, 40 MB).
    """

    def __init__(self, settings: OAuthSettings, clock: Clock | None = None) -> None:
        from common.oauth.cookies import Cookies
        from common.oauth.hub_oauth import make_oauth
        from common.oauth.login import LoginRoutes
        from common.oauth.tokens import Tokens

        clock = clock or SystemClock()
        self.settings = settings
        self._oauth: ServiceOAuth = make_oauth(settings)
        self._cookies = Cookies(self._oauth, settings, clock)
        self._tokens = Tokens(self._oauth, settings, clock)
        self._routes = LoginRoutes(settings, self._oauth, self._cookies, self._tokens, clock)

    def setup(self, app: web.Application) -> None:
        """Add the routes oauth_callback, login and logout, and what they need, to ``app``."""
        app[SIGN_IN] = self
        app.on_response_prepare.append(self._cookies.send)
        app.cleanup_ctx.append(self._open)
        self._routes.setup(app)

    async def identify(
        self, request: web.Request, *, fresh: bool = False, read_form: bool = True
    ) -> Identity | None:
        """Who asks, if they are signed in and may come in; otherwise None.

        ``fresh`` asks the Hub whatever is remembered: for writes. ``read_form`` False leaves
        the body alone (the XSRF token is then looked for in the headers and query only);
        otherwise an urlencoded form is read, not a multipart one.
        Raises HubUnavailable while the Hub is away and nothing is remembered.
        """
        identity, why = await self._find(request, fresh=fresh, read_form=read_form)
        return identity if why is _Why.WELCOME else None

    async def require(
        self,
        request: web.Request,
        *,
        fresh: bool = False,
        read_form: bool = True,
        own_page: bool = True,
    ) -> Identity:
        """Who asks, as :meth:`identify`; for nobody welcome, the right answer is raised.

        It is the login page for a person, 401 for a script, 403 without access or without
        the XSRF token. Once it returns, :meth:`check_xsrf` would pass, too, unless
        ``own_page`` was False: that is for reads of what any page may read, such as fonts.
        """
        identity, why = await self._find(
            request, fresh=fresh, read_form=read_form, own_page=own_page
        )
        if identity is not None and why is _Why.WELCOME:
            return identity
        if why is not _Why.ANONYMOUS:
            raise web.HTTPForbidden(text=why.value)
        if wants_page(request, self.settings.prefix):
            self._routes.redirect(request)
        raise web.HTTPUnauthorized(
            text="Send a Hub token, or sign in with a browser first.",
            headers={"WWW-Authenticate": 'token realm="JupyterHub"'},
        )

    async def token_owner(self, request: web.Request) -> Identity | None:
        """Whose Hub token the Authorization header brings, with access to us or not."""
        token = header_token(request)
        return await self._tokens.owner("", token, fresh=False) if token else None

    def has_access(self, identity: Identity) -> bool:
        """Whether the access scopes let them in."""
        return allows(self.settings.access_scopes, identity.scopes)

    def xsrf_token(self, request: web.Request) -> str:
        """The token that forms (as ``_xsrf``) and scripts (as X-XSRFToken) must send back."""
        return self._cookies.xsrf_token(request)

    def check_xsrf(self, request: web.Request) -> None:
        """Raise 403 unless the request may be believed to come from a page of ours.

        :meth:`identify` and :meth:`require` do this themselves. A form's ``_xsrf`` is seen
        only after one of them, or :meth:`require_own_page`.
        """
        if request.get(_BY_TOKEN):
            return
        why = self._judge(request)
        if why is not _Why.WELCOME:
            raise web.HTTPForbidden(text=why.value)

    async def require_own_page(self, request: web.Request) -> None:
        """:meth:`check_xsrf`, with the form read before."""
        await _read_form(request)
        self.check_xsrf(request)

    async def _find(
        self, request: web.Request, *, fresh: bool, read_form: bool, own_page: bool = True
    ) -> tuple[Identity | None, _Why]:
        token, session_id = header_token(request), ""
        by_token = bool(token)
        if not by_token:
            session = self._cookies.session(request)
            token, session_id = session.token, session.session_id
            if not token:
                return None, _Why.ANONYMOUS
            if read_form:
                await _read_form(request)
            why = self._judge(request)
            if why is not _Why.WELCOME and (own_page or request.method not in xsrf.READ_ONLY):
                return None, why
        identity = await self._tokens.owner(session_id, token, fresh=fresh)
        if identity is None:
            return None, _Why.ANONYMOUS
        if by_token:
            request[_BY_TOKEN] = True
        else:
            self._cookies.signed_in(request)
        if not self.has_access(identity):
            return identity, _Why.NO_ACCESS
        request[IDENTITY] = identity
        return identity, _Why.WELCOME

    def _judge(self, request: web.Request) -> _Why:
        """Whether a request with our cookie was sent by a page of ours."""
        mode, site = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Site")
        if is_websocket(request):
            scheme = "https" if self._cookies.is_https(request) else "http"
            host = request.headers.get("Host", "")
            own = xsrf.is_own_origin(request.headers.get("Origin"), scheme=scheme, host=host)
            return _Why.WELCOME if own else _Why.FOREIGN
        if xsrf.from_elsewhere(request.method, site):
            return _Why.FOREIGN
        if not xsrf.needs_token(request.method, mode, site):
            return _Why.WELCOME
        given = (
            request.headers.get("X-XSRFToken")
            or request.headers.get("X-CSRFToken")
            or request.query.get("_xsrf")
            or request.get(_FORM_TOKEN)
            or ""
        )
        return _Why.WELCOME if self._cookies.fits(request, given) else _Why.TOO_OLD

    async def _open(self, _app: web.Application) -> AsyncIterator[None]:
        from common.oauth.hub_oauth import close_jupyterhub_client

        async with client_session(self.settings.api_url, tls=self.settings.tls) as session:
            self._oauth.session = session
            self._oauth.timeout = aiohttp.ClientTimeout(total=self.settings.request_timeout)
            yield
            self._tokens.close()
        await close_jupyterhub_client()


SIGN_IN: web.AppKey[SignIn] = web.AppKey("sign_in", SignIn)
IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)
_BY_TOKEN: web.RequestKey[bool] = web.RequestKey("by_token", bool)
_FORM_TOKEN: web.RequestKey[str] = web.RequestKey("form_token", str)


async def _read_form(request: web.Request) -> None:
    """Remember a form's ``_xsrf``. The body can still be read afterwards."""
    if request.content_type != _FORM or request.method in xsrf.READ_ONLY:
        return
    try:
        value = (await request.post()).get("_xsrf")
    except (LookupError, ValueError):  # a charset that does not exist, or other signs than it says
        raise web.HTTPBadRequest(text="The form cannot be read.") from None
    if isinstance(value, str):
        request[_FORM_TOKEN] = value
