"""Signing in with the Hub (OAuth), for an aiohttp application.

The cryptography is JupyterHub's and Tornado's (see :mod:`common.oauth_tornado`); here is who
may come in, and what becomes of those who may not. Three failures are kept apart: the client's
token is bad (401, 403, or the login page), ours is bad (500), the Hub is away (503).
"""

import asyncio
import hashlib
import hmac
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from common import xsrf
from common.clock import Clock, SystemClock
from common.environment import TLSPaths
from common.errors import HubBadAnswer, HubRejected
from common.oauth_state import Login, Logins, OwnerKey, Owners, Revoked, local_path
from common.security import is_websocket, wants_page

if TYPE_CHECKING:
    from common.oauth_tornado import Carrier, ServiceOAuth

_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")
_HEADER_TOKEN = re.compile(r"(?i)(?:token|bearer)\s+(\S+)\s*")  # as HubAuth.auth_header_pat
_FORM = "application/x-www-form-urlencoded"
_MOST_STATE_COOKIES = 8
_STATE_SECONDS = 600


@dataclass(frozen=True)
class Identity:
    """Who it is, as the Hub says. ``admin`` informs only: decide by scopes and groups."""

    name: str
    kind: Literal["user", "service"]
    admin: bool
    groups: frozenset[str]
    scopes: frozenset[str]


@dataclass(frozen=True)
class OAuthSettings:
    """What signing in needs to know. Empty ``access_scopes`` let nobody in."""

    api_url: str
    api_token: str = field(repr=False)
    client_id: str
    prefix: str
    access_scopes: frozenset[str]
    public_hub_url: str = "/hub/"  # with a host only if browsers find the Hub on another one
    redirect_path: str = ""  # default: oauth_callback below the prefix
    tls: TLSPaths | None = None
    cache_seconds: float = 30.0
    request_timeout: float = 10.0
    xsrf_cookie_readable: bool = False  # for scripts that read _xsrf from document.cookie
    cookie_secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    cookie_options: Mapping[str, Any] = field(default_factory=dict)


class _Why(Enum):
    """What came of asking who it is."""

    WELCOME = "welcome"
    ANONYMOUS = "anonymous"
    NO_TOKEN = "the XSRF token is missing or of another session"  # noqa: S105 - not a password
    FOREIGN = "another site's page asked"
    NO_ACCESS = "signed in, but without the scope"


class SignIn:
    """Signs people in, and says who asks. One per application; two share nothing."""

    def __init__(self, settings: OAuthSettings, clock: Clock | None = None) -> None:
        from tornado.web import Application

        from common.oauth_tornado import Carrier, ServiceOAuth

        self._new_carrier = Carrier
        self.settings = settings
        self._clock = clock or SystemClock()
        self._oauth: ServiceOAuth = _hub_oauth(ServiceOAuth, settings)
        self._tornado = Application(
            cookie_secret=settings.cookie_secret,
            xsrf_cookie_kwargs={
                "samesite": "Lax",
                "httponly": not settings.xsrf_cookie_readable,
            },
        )
        self._logins = Logins(self._clock)
        self._owners: Owners[Identity] = Owners(self._clock, settings.cache_seconds)
        self._revoked = Revoked()
        self._asking: dict[OwnerKey, asyncio.Task[Identity | None]] = {}

    def setup(self, app: web.Application) -> None:
        """Add the routes oauth_callback, login and logout, and what they need, to ``app``."""
        prefix = self.settings.prefix
        app[SIGN_IN] = self
        app.on_response_prepare.append(self._send_cookies)
        app.cleanup_ctx.append(self._open)
        callback = urlsplit(self._oauth.oauth_redirect_uri).path
        app.router.add_get(callback, self._callback, allow_head=False)
        app.router.add_get(prefix + "login", self._login, allow_head=False)
        app.router.add_get(prefix + "logout", self._logout_page)
        app.router.add_post(prefix + "logout", self._logout)

    # -- for handlers

    async def identify(
        self, request: web.Request, *, fresh: bool = False, read_form: bool = True
    ) -> Identity | None:
        """Who asks, if they are signed in and may come in; otherwise None.

        ``fresh`` asks the Hub whatever is remembered: for writes. ``read_form`` False leaves
        the body alone (the XSRF token is then looked for in the headers and query only).
        Raises HubUnavailable while the Hub is away and nothing is remembered.
        """
        identity, why = await self._find(request, fresh=fresh, read_form=read_form)
        return identity if why is _Why.WELCOME else None

    async def require(
        self, request: web.Request, *, fresh: bool = False, read_form: bool = True
    ) -> Identity:
        """Who asks, as :meth:`identify`; if nobody welcome, raises the right answer.

        To the login page for a person, 401 for a script, 403 without access or without the
        XSRF token. Once it returns, :meth:`check_xsrf` would pass, too.
        """
        identity, why = await self._find(request, fresh=fresh, read_form=read_form)
        if identity is not None and why is _Why.WELCOME:
            return identity
        if why is _Why.NO_ACCESS:
            raise web.HTTPForbidden(text="You are signed in, but this service is not for you.")
        if why is _Why.NO_TOKEN:
            raise web.HTTPForbidden(text="This page is too old. Reload it and try again.")
        if why is _Why.FOREIGN:
            raise web.HTTPForbidden(text="This request came from another site's page.")
        if wants_page(request, self.settings.prefix):
            self._to_login(request)
        raise web.HTTPUnauthorized(text="Send a Hub token, or sign in with a browser first.")

    async def token_owner(self, request: web.Request) -> Identity | None:
        """Whose Hub token the Authorization header brings, with access to us or not."""
        token = _header_token(request)
        return await self._owner(request, token, fresh=False) if token else None

    def has_access(self, identity: Identity) -> bool:
        """Whether the access scopes let them in."""
        return _allows(self.settings.access_scopes, identity.scopes)

    def xsrf_token(self, request: web.Request) -> str:
        """The token that forms (as ``_xsrf``) and scripts (as X-XSRFToken) must send back."""
        token = self._carrier(request).xsrf_token
        return token.decode("ascii") if isinstance(token, bytes) else str(token)

    def check_xsrf(self, request: web.Request) -> None:
        """Raise 403 unless the request may be believed to come from a page of ours.

        A form's ``_xsrf`` is seen only after :meth:`identify` or :meth:`require`, which do
        this check themselves for whoever comes with a cookie.
        """
        if _header_token(request) and request.get(IDENTITY):
            return
        why = self._judge(request)
        if why is not _Why.WELCOME:
            raise web.HTTPForbidden(text="This page is too old. Reload it and try again.")

    # -- who it is

    async def _find(
        self, request: web.Request, *, fresh: bool, read_form: bool
    ) -> tuple[Identity | None, _Why]:
        token = _header_token(request)
        if not token:
            token = self._cookie_token(request)
            if not token:
                return None, _Why.ANONYMOUS
            if read_form:
                await _read_form(request)
            why = self._judge(request)
            if why is not _Why.WELCOME:
                return None, why
        identity = await self._owner(request, token, fresh=fresh)
        if identity is None:
            return None, _Why.ANONYMOUS
        self._carrier(request).signed_in = True
        if not self.has_access(identity):
            return identity, _Why.NO_ACCESS
        request[IDENTITY] = identity
        return identity, _Why.WELCOME

    def _judge(self, request: web.Request) -> _Why:
        """Whether a request with our cookie was sent by a page of ours."""
        mode, site = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Site")
        if is_websocket(request):
            scheme = "https" if self._carrier(request).https else "http"
            origin = request.headers.get("Origin")
            own = xsrf.is_own_origin(origin, scheme=scheme, host=request.headers.get("Host", ""))
            return _Why.WELCOME if own else _Why.FOREIGN
        if xsrf.from_elsewhere(request.method, site):
            return _Why.FOREIGN
        if mode == "websocket" or xsrf.needs_token(request.method, mode, site):
            given = (
                request.headers.get("X-XSRFToken")
                or request.headers.get("X-CSRFToken")
                or request.query.get("_xsrf")
                or request.get(_FORM_TOKEN)
                or ""
            )
            expected = self.xsrf_token(request)
            if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
                return _Why.NO_TOKEN
        return _Why.WELCOME

    async def _owner(self, request: web.Request, token: str, *, fresh: bool) -> Identity | None:
        if not _TOKEN.fullmatch(token):
            return None
        session_id = request.cookies.get("jupyterhub-session-id", "")
        key = (session_id, _hash(token))
        if not fresh:
            known = self._owners.get(key)
            if known is None and key[1] not in self._revoked:
                known = await self._ask_together(key, token)
        else:
            known = await self._ask(key, token)
        return None if key[1] in self._revoked else known

    async def _ask_together(self, key: OwnerKey, token: str) -> Identity | None:
        """Ask the Hub once for all who want to know the same at the same time."""
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, token))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(task)

    def _asked(self, key: OwnerKey, task: "asyncio.Task[Identity | None]") -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # who waited has it; nobody may be waiting any more

    async def _ask(self, key: OwnerKey, token: str) -> Identity | None:
        asked_at = self._clock.monotonic()
        model = await self._oauth.model_of(token)
        identity = None if model is None else _identity(model)
        self._owners.put(key, identity, asked_at=asked_at)
        return identity

    # -- cookies

    def _carrier(self, request: web.Request) -> "Carrier":
        if _CARRIER not in request:
            request[_CARRIER] = self._new_carrier(self._tornado, request, self._oauth)
        carrier: Carrier = request[_CARRIER]
        return carrier

    def _cookie_token(self, request: web.Request) -> str:
        if self._oauth.cookie_name not in request.cookies:
            return ""
        return self._oauth._get_token_cookie(self._carrier(request)) or ""

    async def _send_cookies(self, request: web.Request, response: web.StreamResponse) -> None:
        carrier: Carrier | None = request.get(_CARRIER)
        for line in carrier.set_cookie_lines() if carrier else ():
            response.headers.add("Set-Cookie", line)

    # -- the way in

    def _to_login(self, request: web.Request, next_url: str = "") -> None:
        """Raise the redirect to the Hub's login; afterwards the browser comes back here."""
        prefix = self.settings.prefix
        if not next_url and request.method in ("GET", "HEAD"):
            next_url = request.raw_path
        verifier, challenge = self._oauth.challenge()
        login = self._logins.begin(
            local_path(next_url, prefix), self._oauth.state_cookie_name, verifier
        )
        self._set_state_cookie(request, login)
        query = {
            "state": login.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        raise web.HTTPFound(URL(f"{self._oauth.login_url}&{urlencode(query)}", encoded=True))

    def _set_state_cookie(self, request: web.Request, login: Login) -> None:
        carrier = self._carrier(request)
        unfinished = [n for n in request.cookies if n.startswith(self._oauth.state_cookie_name)]
        for name in unfinished[: max(0, len(unfinished) - _MOST_STATE_COOKIES + 1)]:
            self._oauth._clear_cookie(carrier, name, path=self._oauth.cookie_path)
        carrier.set_signed_cookie(
            login.cookie_name,
            login.state,
            expires_days=None,
            path=self._oauth.cookie_path,
            httponly=True,
            samesite="Lax",
            max_age=_STATE_SECONDS,
            secure=carrier.https or self._oauth.cookie_host_prefix_enabled,
        )

    async def _login(self, request: web.Request) -> web.Response:
        self._to_login(request, self.settings.prefix)
        raise AssertionError("unreachable")

    async def _callback(self, request: web.Request) -> web.Response:
        query = request.query
        code, state = query.get("code", ""), query.get("state", "")
        login = self._logins.take(state) if state else None
        if login is None:
            return await self._too_late(request)
        carrier = self._carrier(request)
        cookie = carrier.get_signed_cookie(login.cookie_name) or b""
        self._oauth._clear_cookie(carrier, login.cookie_name, path=self._oauth.cookie_path)
        if not hmac.compare_digest(cookie, state.encode("utf-8", "replace")):
            raise web.HTTPForbidden(
                text="This login was begun in another browser, or cookies are switched off."
            )
        if not code or "error" in query:
            raise web.HTTPForbidden(text="The Hub did not let you in.")
        identity, token = await self._finish(request, code, login)
        if not self.has_access(identity):
            raise web.HTTPForbidden(text="You are signed in, but this service is not for you.")
        self._oauth.set_cookie(carrier, token)
        raise web.HTTPFound(URL(login.next_url, encoded=True))

    async def _finish(self, request: web.Request, code: str, login: Login) -> tuple[Identity, str]:
        try:
            token = await self._oauth.exchange(code, login.code_verifier)
        except HubRejected:
            raise web.HTTPBadRequest(
                text="The Hub does not accept this login any more. Please sign in again."
            ) from None
        identity = await self._owner(request, token, fresh=True)
        if identity is None:
            raise HubBadAnswer("gave a token that it does not know")
        return identity, token

    async def _too_late(self, request: web.Request) -> web.Response:
        """A state unknown, used or too old. Who is signed in already just goes on."""
        if await self.identify(request):
            raise web.HTTPFound(self.settings.prefix)
        raise web.HTTPBadRequest(text="This login is over or took too long. Please sign in again.")

    # -- the way out

    async def _logout_page(self, request: web.Request) -> web.Response:
        from common.pages import render

        return render(request, "logout.html", signed_in=bool(self._cookie_token(request)))

    async def _logout(self, request: web.Request) -> web.Response:
        token = self._cookie_token(request)
        if token:
            await _read_form(request)
            self.check_xsrf(request)
            self._revoked.add(_hash(token))
            self._owners.forget(_hash(token))
        carrier = self._carrier(request)
        self._oauth.clear_cookie(carrier)
        carrier.clear_cookie("_xsrf", path=self.settings.prefix)
        raise web.HTTPSeeOther(self.settings.prefix + "logout")

    # -- resources

    async def _open(self, _app: web.Application) -> AsyncIterator[None]:
        async with _session(self.settings) as session:
            self._oauth.session = session
            self._oauth.timeout = aiohttp.ClientTimeout(total=self.settings.request_timeout)
            yield
            for task in list(self._asking.values()):
                task.cancel()
        await _close_jupyterhub_client()


SIGN_IN: web.AppKey[SignIn] = web.AppKey("sign_in", SignIn)
IDENTITY: web.RequestKey[Identity] = web.RequestKey("identity", Identity)
_CARRIER: web.RequestKey[Any] = web.RequestKey("carrier", object)
_FORM_TOKEN: web.RequestKey[str] = web.RequestKey("form_token", str)


def _hub_oauth(cls: "type[ServiceOAuth]", settings: OAuthSettings) -> "ServiceOAuth":
    hub = urlsplit(settings.public_hub_url)
    host = f"{hub.scheme}://{hub.netloc}" if hub.netloc else ""
    # Path and HttpOnly are ours to say, whatever JUPYTERHUB_COOKIE_OPTIONS holds.
    options = {k: v for k, v in settings.cookie_options.items() if k not in ("path", "httponly")}
    return cls(
        api_url=settings.api_url,
        api_token=settings.api_token,
        base_url=settings.prefix,
        hub_host=host,
        hub_prefix=hub.path or "/hub/",
        oauth_client_id=settings.client_id,
        oauth_redirect_uri=settings.redirect_path or settings.prefix + "oauth_callback",
        access_scopes=set(settings.access_scopes),
        cookie_options={"samesite": "Lax", **options},
    )


def _session(settings: OAuthSettings) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


async def _close_jupyterhub_client() -> None:
    """Close what JupyterHub 6 may have opened for this loop behind our back."""
    try:
        from jupyterhub.httpclient import JupyterHubHTTPClient
    except ImportError:
        return  # before JupyterHub 6
    await JupyterHubHTTPClient.loop_instance().close()


def _identity(model: Mapping[str, Any]) -> Identity:
    return Identity(
        name=model["name"],
        kind="service" if model.get("kind") == "service" else "user",
        admin=model.get("admin") is True,
        groups=_texts(model.get("groups")),
        scopes=_texts(model.get("scopes")),
    )


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, Iterable) or isinstance(value, str):
        return frozenset()
    return frozenset(one for one in value if isinstance(one, str))


@lru_cache(maxsize=4096)
def _allows(access_scopes: frozenset[str], scopes: frozenset[str]) -> bool:
    from jupyterhub.services.auth import check_scopes

    return bool(access_scopes) and bool(check_scopes(set(access_scopes), set(scopes)))


def _header_token(request: web.BaseRequest) -> str:
    found = _HEADER_TOKEN.fullmatch(request.headers.get("Authorization", ""))
    return found[1] if found else ""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


async def _read_form(request: web.Request) -> None:
    """Remember a form's ``_xsrf``. The body can still be read afterwards."""
    if request.content_type != _FORM or request.method in xsrf.READ_ONLY:
        return
    value = (await request.post()).get("_xsrf")
    if isinstance(value, str):
        request[_FORM_TOKEN] = value
