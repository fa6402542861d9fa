"""Sign-in through the Hub (OAuth) for an aiohttp application, from top to bottom.

A request: its token (header or cookie) → the XSRF check → the token's owner → access → identity.
A login: redirect to the Hub → callback → cookie. A logout: cookies cleared, token revoked.

Three failures are kept apart: the client's token is bad (401, 403 or the login page), the service's
own token is bad (500), and the Hub is down (503).

A cookie alone identifies a user only when a page is opened in a tab: every other request must also
send the XSRF token, in the header ``X-XSRFToken`` or as ``_xsrf`` in the form or the query (see
:mod:`common.oauth.xsrf`). A Hub token in the Authorization header needs no XSRF token.

A cookie counts only in the Hub session in which its token was issued, so that no one can sign a
user in as somebody else by planting cookies.
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from yarl import URL

from common.clock import Clock, SystemClock
from common.errors import HubRejected
from common.oauth import xsrf
from common.oauth.refusal import Refusal, refuse_read
from common.oauth.request import header_token, is_websocket, wants_page
from common.oauth.settings import OAuthSettings
from common.oauth.state import Logins, local_path
from common.oauth.tokens import Identity, Tokens
from common.oauth.xsrf import Exposure, Fetch

if TYPE_CHECKING:
    from common.oauth.cookies import Session

__all__ = ["IDENTITY", "SIGN_IN", "Exposure", "Identity", "LogoutPage", "OAuthSettings", "SignIn"]

_FORM = "application/x-www-form-urlencoded"
#: The longest form that is read of an application without its own limit.
_MOST_FORM_BYTES = 1024 * 1024

#: Renders the page at ``logout``: request, whether the browser is signed in.
LogoutPage = Callable[[web.Request, bool], Awaitable[web.Response]]


class SignIn:
    """Signs users in and identifies them. Each application has its own.

    Creating one imports JupyterHub (0.7 s, 40 MB).
    """

    def __init__(self, settings: OAuthSettings, clock: Clock | None = None) -> None:
        from common.oauth.cookies import Cookies
        from common.oauth.hub_oauth import make_oauth, scopes_grant

        clock = clock or SystemClock()
        self.settings = settings
        self._login_url = make_oauth(settings).login_url
        self._scopes_grant = scopes_grant
        self._cookies = Cookies(settings, clock)
        self._tokens = Tokens(settings, clock)
        self._logins = Logins(clock, settings.cookie_secret)

    def setup(self, app: web.Application, *, logout_page: LogoutPage) -> None:
        """Add the routes oauth_callback, login and logout to ``app``, and the cookies' signal."""

        async def get_logout(request: web.Request) -> web.Response:
            session = self._cookies.session(request)
            if session.token and (refusal := await self._check_xsrf(request, session)):
                raise web.HTTPForbidden(text=refusal.value)
            return await logout_page(request, bool(session.token))

        app[SIGN_IN] = self
        app.on_response_prepare.append(self._cookies.write)
        app.cleanup_ctx.append(self._connected)
        prefix, router = self.settings.prefix, app.router
        router.add_get(prefix + "login", self.begin_login, allow_head=False)
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
        found = await self._judge(request, fresh=fresh, read_form=read_form)
        return found if isinstance(found, Identity) else None

    async def require(
        self,
        request: web.Request,
        *,
        fresh: bool = False,
        read_form: bool = True,
        exposure: Exposure = Exposure.PRIVATE,
        area: str = "",
    ) -> Identity:
        """The user or service that sent the request. It has access and passed the XSRF check.

        This is the only check a handler needs. Its result is also kept as ``request[IDENTITY]``.

        ``fresh`` asks the Hub instead of the cache: use it for requests that change something.
        ``read_form`` False leaves the body alone, and the XSRF token must be in the headers or the
        query; otherwise an urlencoded form is read (a multipart one never is).
        ``exposure`` says which pages may have the response to a read. ``area`` names a part of the
        service, whose XSRF tokens are valid in addition to those of the whole service.

        Raises a redirect to the login page for a browser that is not signed in, 401 for any other
        client, 403 without access or XSRF token, and HubUnavailable, HubFailed, HubForbidden or
        HubBadResponse if the Hub cannot answer and nothing is cached.
        """
        request[_AREA] = area
        found = await self._judge(request, fresh=fresh, read_form=read_form, exposure=exposure)
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
        self,
        request: web.Request,
        *,
        fresh: bool,
        read_form: bool,
        exposure: Exposure = Exposure.PRIVATE,
    ) -> Identity | Refusal:
        """Decide on a request: every one passes through here, once."""
        token = header_token(request)
        session = None if token else self._cookies.session(request)
        if session is not None:
            token = session.token
            if not token:
                return Refusal.NOT_SIGNED_IN
            refusal = await self._check_xsrf(request, session, exposure, read_form=read_form)
            if refusal is not None:
                return refusal
        session_id = session.session_id if session else ""
        identity = await self._tokens.owner(session_id, token, fresh=fresh)
        if identity is None or (session is not None and not _belongs(session, identity)):
            return Refusal.NOT_SIGNED_IN
        if not self.has_access(identity):
            return Refusal.NO_ACCESS
        request[IDENTITY] = identity
        return identity

    async def _check_xsrf(
        self,
        request: web.Request,
        session: "Session",
        exposure: Exposure = Exposure.PRIVATE,
        *,
        read_form: bool = True,
    ) -> Refusal | None:
        """None if a page may have the response to its request with a cookie."""
        refusal = await self._find_forgery(request, session, exposure, read_form=read_form)
        private = exposure is Exposure.PRIVATE or Fetch.of(request.headers).is_page
        request[_GENUINE] = refusal is None and private
        return refusal

    async def _find_forgery(
        self, request: web.Request, session: "Session", exposure: Exposure, *, read_form: bool
    ) -> Refusal | None:
        form_token = await _form_token(request) if read_form else ""
        fetch = Fetch.of(request.headers)
        if is_websocket(request):
            scheme = "https" if self._cookies.is_https(request) else "http"
            host = request.headers.get("Host", "")
            own = xsrf.is_own_origin(request.headers.get("Origin"), scheme=scheme, host=host)
            return None if own else Refusal.CROSS_SITE
        if xsrf.is_cross_site_write(request.method, fetch.site):
            return Refusal.CROSS_SITE
        if not xsrf.needs_token(request.method, fetch, exposure):
            return None
        token = (
            request.headers.get("X-XSRFToken")
            or request.headers.get("X-CSRFToken")
            or request.query.get("_xsrf")
            or form_token
        )
        for area in {"", request.get(_AREA, "")}:
            expected = self._xsrf_token(session, area)
            if hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode()):
                return None
        if request.method not in xsrf.READ_ONLY or token:
            return Refusal.OUTDATED_PAGE
        return refuse_read(
            fetch,
            allow_frames=self.settings.allow_frames,
            allow_plain_http=self.settings.allow_plain_http,
        )

    def has_access(self, identity: Identity) -> bool:
        """Whether the identity's scopes include an access scope of this service."""
        return self._scopes_grant(self.settings.access_scopes, identity.scopes)

    async def token_owner(self, request: web.Request) -> Identity | None:
        """The owner of the Hub token in the Authorization header, with or without access."""
        token = header_token(request)
        return await self._tokens.owner("", token, fresh=False) if token else None

    def xsrf_token(self, request: web.Request, area: str = "") -> str:
        """The token that forms (as ``_xsrf``) and scripts (as X-XSRFToken) must send back.

        It is valid in one area, or with "" everywhere. Empty unless the request has passed the XSRF
        check: no other page can fetch the token.
        """
        if not request.get(_GENUINE):
            return ""
        return self._xsrf_token(self._cookies.session(request), area)

    async def renew_xsrf_token(
        self, request: web.Request, area: str, proven: Callable[[Identity], bool]
    ) -> tuple[Identity, str]:
        """The user of a POST request, and a new XSRF token of an area.

        For a page whose token has ended with its sign-in: any page of the same origin can send such
        a request, so ``proven`` decides whether this one is a page of the service, shown to this
        user. The token is empty if it is not. The Hub is always asked.

        Raises 401 if the browser is not signed in, 403 without access, and the errors of
        :meth:`require` if the Hub cannot answer.
        """
        session = self._cookies.session(request)
        if xsrf.is_cross_site_write(request.method, Fetch.of(request.headers).site):
            raise web.HTTPForbidden(text=Refusal.CROSS_SITE.value)
        owner = await self._tokens.owner(session.session_id, session.token, fresh=True)
        if owner is None or not _belongs(session, owner):
            raise web.HTTPUnauthorized(text=Refusal.NOT_SIGNED_IN.value)
        if not self.has_access(owner):
            raise web.HTTPForbidden(text=Refusal.NO_ACCESS.value)
        return owner, self._xsrf_token(session, area) if proven(owner) else ""

    def set_xsrf_cookie(self, request: web.Request, area: str, path: str) -> None:
        """Also send the area's token as a cookie ``_xsrf``, for scripts that read it from there.

        Every page of the same origin can read it, too, through an error page below ``path``.
        """
        if token := self.xsrf_token(request, area):
            self._cookies.set_readable(request, "_xsrf", token, path)

    def _xsrf_token(self, session: "Session", area: str) -> str:
        parts = (self.settings.client_id, area, session.session_id, session.token)
        return xsrf.make_token(self.settings.cookie_secret, *parts)

    # -- a login

    async def begin_login(self, request: web.Request) -> web.Response:
        """Handle ``GET login``. A login leads to the start page."""
        self._redirect_to_hub(request, "")

    def _redirect_to_hub(self, request: web.Request, next_url: str) -> NoReturn:
        """Send the browser to the Hub's login; afterwards it opens ``next_url``."""
        login = self._logins.begin(local_path(next_url, self.settings.prefix))
        self._cookies.set_state(request, login)
        query = urlencode(
            {
                "state": login.state,
                "code_challenge": login.code_challenge,
                "code_challenge_method": "S256",
            }
        )
        raise web.HTTPFound(URL(f"{self._login_url}&{query}", encoded=True))

    async def _callback(self, request: web.Request) -> web.Response:
        """The browser is back from the Hub: exchange the code for a token, keep it in a cookie."""
        query = request.query
        session = self._cookies.session(request)
        login = self._logins.resume(query.get("state", ""))
        next_url = self._cookies.take_state(request, login)
        if next_url is None or not self._logins.use(login):
            await self._callback_expired(session)
        if "error" in query or not query.get("code"):
            raise web.HTTPForbidden(text="The Hub did not grant access to this service.")
        try:
            token, owner = await self._tokens.redeem(
                session.session_id, query["code"], login.code_verifier
            )
        except HubRejected:
            text = "The Hub no longer accepts this login. Please sign in again."
            raise web.HTTPBadRequest(text=text) from None
        if not _belongs(session, owner):
            text = "This login was finished in another browser. Please sign in again."
            raise web.HTTPForbidden(text=text)
        if not self.has_access(owner):
            raise web.HTTPForbidden(text=Refusal.NO_ACCESS.value)
        self._cookies.set_token(request, token)
        raise web.HTTPFound(URL(local_path(next_url, self.settings.prefix), encoded=True))

    async def _callback_expired(self, session: "Session") -> NoReturn:
        """The login is unknown, used or expired. A user who is signed in goes to the start page."""
        owner = await self._tokens.owner(session.session_id, session.token, fresh=False)
        if owner is not None and _belongs(session, owner) and self.has_access(owner):
            raise web.HTTPFound(URL(self.settings.prefix, encoded=True))
        text = (
            "This login has expired, was started in another browser, or cookies are disabled."
            " Please sign in again."
        )
        raise web.HTTPBadRequest(text=text)

    # -- a logout

    async def _logout(self, request: web.Request) -> web.Response:
        """Clear the cookies, and refuse the token from now on wherever it was copied to."""
        session = self._cookies.session(request)
        if session.token:
            refusal = await self._check_xsrf(request, session)
            if refusal is not None:
                raise web.HTTPForbidden(text=refusal.value)
            self._tokens.revoke(session.token)
        self._cookies.clear(request)
        raise web.HTTPSeeOther(URL(self.settings.prefix + "logout", encoded=True))

    async def _connected(self, _app: web.Application) -> AsyncIterator[None]:
        async with self._tokens.connected():
            yield


SIGN_IN: web.AppKey[SignIn] = web.AppKey("sign_in", SignIn)
IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)
_AREA: web.RequestKey[str] = web.RequestKey("area", str)
_GENUINE: web.RequestKey[bool] = web.RequestKey("genuine", bool)


def _belongs(session: "Session", owner: Identity) -> bool:
    """Whether the token was issued in the Hub session that the browser is in.

    A page of the same origin can set this service's cookies, so a token from another session may
    have been planted. JupyterHub reports a token's session since 2.0.
    """
    return session.own_cookies or owner.session_id in (None, session.session_id)


async def _form_token(request: web.Request) -> str:
    """The ``_xsrf`` of an urlencoded form. The handler can still read the form afterwards."""
    if request.content_type != _FORM or request.method in xsrf.READ_ONLY:
        return ""
    if not request.client_max_size:  # of a service that passes bodies on without reading them
        length = request.content_length
        if request.body_exists and (length is None or length > _MOST_FORM_BYTES):
            raise web.HTTPRequestEntityTooLarge(_MOST_FORM_BYTES, length or 0)
    try:
        token = (await request.post()).get("_xsrf")
    except (LookupError, ValueError):  # unknown charset, or bytes that do not fit it
        raise web.HTTPBadRequest(text="The form cannot be read.") from None
    return token if isinstance(token, str) else ""
