"""The way in and out: the redirect to the Hub, the callback, the sign-out."""

from typing import NoReturn
from urllib.parse import urlencode, urlsplit

from aiohttp import web
from yarl import URL

from common.clock import Clock
from common.oauth.cookies import Cookies
from common.oauth.hub_oauth import ServiceOAuth
from common.oauth.settings import Identity, OAuthSettings, allows
from common.oauth.state import Logins, local_path
from common.oauth.tokens import Tokens
from common.web.pages import render

NO_ACCESS = "You are signed in, but this service is not for you."


class LoginRoutes:
    """The pages login, oauth_callback and logout."""

    def __init__(
        self,
        settings: OAuthSettings,
        oauth: ServiceOAuth,
        cookies: Cookies,
        tokens: Tokens,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._oauth = oauth
        self._cookies = cookies
        self._tokens = tokens
        self._logins = Logins(clock)

    def setup(self, app: web.Application) -> None:
        """Add the routes."""
        prefix = self._settings.prefix
        callback = urlsplit(self._oauth.oauth_redirect_uri).path
        app.router.add_get(callback, self._callback, allow_head=False)
        app.router.add_get(prefix + "login", self._login, allow_head=False)
        app.router.add_get(prefix + "logout", self._logout_page)
        app.router.add_post(prefix + "logout", self._logout)

    def redirect(self, request: web.Request) -> NoReturn:
        """Raise the redirect to the Hub's login; afterwards the browser comes back here."""
        read = request.method in ("GET", "HEAD")
        self._begin(request, request.raw_path if read else "")

    def _begin(self, request: web.Request, next_url: str) -> NoReturn:
        verifier, challenge = self._oauth.challenge()
        login = self._logins.begin(
            local_path(next_url, self._settings.prefix), self._oauth.state_cookie_name, verifier
        )
        self._cookies.keep_state(request, login)
        query = urlencode(
            {"state": login.state, "code_challenge": challenge, "code_challenge_method": "S256"}
        )
        raise web.HTTPFound(URL(f"{self._oauth.login_url}&{query}", encoded=True))

    async def _login(self, request: web.Request) -> web.Response:
        self._begin(request, "")

    async def _callback(self, request: web.Request) -> web.Response:
        query = request.query
        login = self._logins.take(query.get("state", ""))
        if login is None:
            await self._too_late(request)
        if not self._cookies.took_state(request, login):
            text = "This login was begun in another browser, or cookies are switched off."
            raise web.HTTPForbidden(text=text)
        if "error" in query or not query.get("code"):
            raise web.HTTPForbidden(text="The Hub did not let you in.")
        session_id = self._cookies.session(request).session_id
        token, owner = await self._tokens.redeem(session_id, query["code"], login.code_verifier)
        if not self._welcome(owner):
            raise web.HTTPForbidden(text=NO_ACCESS)
        self._cookies.keep_token(request, token)
        raise web.HTTPFound(URL(login.next_url, encoded=True))

    async def _too_late(self, request: web.Request) -> NoReturn:
        """A state unknown, used or too old. Who is signed in already just goes on."""
        session = self._cookies.session(request)
        owner = await self._tokens.owner(session.session_id, session.token, fresh=False)
        if owner is not None and self._welcome(owner):
            raise web.HTTPFound(URL(self._settings.prefix, encoded=True))
        raise web.HTTPBadRequest(text="This login is over or took too long. Please sign in again.")

    def _welcome(self, owner: Identity) -> bool:
        return allows(self._settings.access_scopes, owner.scopes)

    async def _logout_page(self, request: web.Request) -> web.Response:
        return render(request, "logout.html", signed_in=bool(self._cookies.session(request).token))

    async def _logout(self, request: web.Request) -> web.Response:
        from common.oauth.sign_in import SIGN_IN  # it is made of us

        token = self._cookies.session(request).token
        if token:
            await request.app[SIGN_IN].require_own_page(request)
            self._tokens.revoke(token)
        self._cookies.clear(request)
        raise web.HTTPSeeOther(URL(self._settings.prefix + "logout", encoded=True))
