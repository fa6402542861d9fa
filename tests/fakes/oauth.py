"""The Hub's OAuth endpoints as a real server on port 0, and a browser that uses them.

To a client it behaves like JupyterHub 6.1: authorize requires the registered redirect_uri, PKCE
S256 is checked, codes are valid once, a token belongs to the browser's session, and
``GET /hub/api/user`` responds with 403 to an unknown token and lists the scopes otherwise.
"""

import asyncio
import base64
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy
from yarl import URL


@dataclass
class HubUser:
    """A user of the fake Hub. ``access`` lists the services they may use."""

    name: str
    groups: list[str] = field(default_factory=list)
    admin: bool = False
    access: set[str] = field(default_factory=set)


@dataclass
class HubToken:
    """A token. Only one issued by OAuth belongs to a session."""

    owner: str
    scopes: list[str]
    kind: str = "user"
    session: str = ""


@dataclass(frozen=True)
class _Code:
    user: str
    client: str
    redirect_uri: str
    challenge: str
    session: str


class FakeOAuth:
    """A Hub with users, one OAuth client, and tokens; ``async with FakeOAuth() as hub``.

    ``down``: every response is 503, as the proxy's without a Hub. ``answer_with``: other responses
    (status, body) by path. ``hold``: requests wait until it is set; ``waiting`` is set when the
    first one does.
    """

    def __init__(
        self, service: str = "cull", *, base_url: str = "/", ssl: SSLContext | None = None
    ) -> None:
        self._ssl = ssl
        self.service = service
        self.base_url = base_url
        self.client_id = f"service-{service}"
        self.secret = secrets.token_hex(16)
        self.redirect_uri = f"{base_url}services/{service}/oauth_callback"
        self.users: dict[str, HubUser] = {}
        self.tokens: dict[str, HubToken] = {}
        self.down = False
        self.answer_with: dict[str, tuple[int, str]] = {}
        self.hold = asyncio.Event()
        self.hold.set()
        self.waiting = asyncio.Event()
        self.requests: list[tuple[str, str]] = []
        self.authorizations: list[dict[str, str]] = []
        self._codes: dict[str, _Code] = {}
        self._sessions: dict[str, str] = {}  # session id: user
        self._server: TestServer | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._switches])
        hub = self.base_url + "hub/"
        app.router.add_get(hub + "login", self._login)
        app.router.add_get(hub + "logout", self._logout)
        app.router.add_get(hub + "api/oauth2/authorize", self._authorize)
        app.router.add_post(hub + "api/oauth2/token", self._token)
        app.router.add_get(hub + "api/user", self._user)
        scheme = "https" if self._ssl else "http"
        self._server = TestServer(app, host="127.0.0.1", scheme=scheme)
        await self._server.start_server(ssl=self._ssl)
        return self

    async def listen_on(self, path: Path) -> None:
        """Also listen on a unix socket."""
        assert self._server is not None
        assert self._server.runner is not None
        await web.UnixSite(self._server.runner, str(path)).start()

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        await self._server.close()

    @property
    def origin(self) -> str:
        """http://127.0.0.1:PORT."""
        assert self._server is not None
        return str(self._server.make_url("")).rstrip("/")

    @property
    def api_url(self) -> str:
        """The API URL for a service's settings."""
        return f"{self.origin}{self.base_url}hub/api"

    def add_user(self, name: str, *groups: str, admin: bool = False, access: bool = True) -> None:
        """Add a user, with access to the service unless ``access`` is False."""
        allowed = {self.service} if access else set()
        self.users[name] = HubUser(name, list(groups), admin, allowed)

    def add_token(self, owner: str, *scopes: str, kind: str = "user") -> str:
        """Add a token for scripts with these scopes, and return it."""
        token = secrets.token_hex(16)
        self.tokens[token] = HubToken(owner, list(scopes), kind)
        return token

    def count(self, path: str) -> int:
        """The number of requests for a path below the Hub's prefix, such as api/user."""
        return sum(asked == f"{self.base_url}hub/{path}" for _, asked in self.requests)

    # -- endpoints

    @web.middleware
    async def _switches(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if not self.hold.is_set():
            self.waiting.set()
            await self.hold.wait()
        if self.down:
            return web.Response(status=503, text="Service Unavailable")
        path = request.path.removeprefix(self.base_url + "hub/")
        if path in self.answer_with:
            status, body = self.answer_with[path]
            return web.Response(status=status, text=body, content_type="application/json")
        response: web.StreamResponse = await handler(request)
        return response

    async def _login(self, request: web.Request) -> web.Response:
        """Log in as the user in the query, in place of a login form."""
        session = secrets.token_hex(16)
        self._sessions[session] = request.query["user"]
        response = web.Response(text="logged in")
        response.set_cookie("jupyterhub-session-id", session, path="/", httponly=True)
        return response

    async def _logout(self, request: web.Request) -> web.Response:
        """Delete the session and every token issued in it."""
        session = request.cookies.get("jupyterhub-session-id", "")
        self._sessions.pop(session, None)
        for token in [t for t, held in self.tokens.items() if session and held.session == session]:
            del self.tokens[token]
        response = web.Response(text="logged out")
        response.del_cookie("jupyterhub-session-id", path="/")
        return response

    async def _authorize(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.authorizations.append(query)
        session = request.cookies.get("jupyterhub-session-id", "")
        user = self._sessions.get(session)
        if user is None:
            return web.Response(text="the Hub's login page", status=401)
        if query.get("client_id") != self.client_id:
            return web.Response(text="invalid client_id", status=400)
        if query.get("redirect_uri") != self.redirect_uri:
            return web.Response(text="mismatching redirect URI", status=400)
        if self.service not in self.users[user].access:
            return web.Response(text="you have no access", status=403)
        challenge = query.get("code_challenge", "")
        if challenge and query.get("code_challenge_method") != "S256":
            return web.Response(text="transform algorithm not supported", status=400)
        code = secrets.token_urlsafe(22)
        self._codes[code] = _Code(user, self.client_id, self.redirect_uri, challenge, session)
        back = urlencode({"code": code, "state": query["state"]})
        raise web.HTTPFound(f"{self.redirect_uri}?{back}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("client_id") != self.client_id or form.get("client_secret") != self.secret:
            return _refuse(401, "invalid_client")
        if form.get("grant_type") != "authorization_code":
            return _refuse(400, "unsupported_grant_type")
        code = self._codes.pop(str(form.get("code")), None)
        if code is None or form.get("redirect_uri") != code.redirect_uri:
            return _refuse(400, "invalid_grant")
        if code.challenge and _s256(str(form.get("code_verifier", ""))) != code.challenge:
            return _refuse(400, "invalid_grant")
        token = secrets.token_urlsafe(22)
        name = code.user
        scopes = [
            f"access:services!service={self.service}",
            f"read:users:name!user={name}",
            f"read:users:groups!user={name}",
        ]
        self.tokens[token] = HubToken(name, scopes, session=code.session)
        return web.json_response(
            {"access_token": token, "expires_in": 1209600, "token_type": "Bearer", "scope": "x"}
        )

    async def _user(self, request: web.Request) -> web.Response:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        held = self.tokens.get(token) if kind.lower() in ("token", "bearer") else None
        if held is None:
            return web.json_response({"status": 403, "message": "Forbidden"}, status=403)
        if held.kind == "service":
            return web.json_response(
                {"kind": "service", "name": held.owner, "admin": False, "scopes": held.scopes}
            )
        user = self.users.get(held.owner)
        if user is None:
            return web.json_response({"status": 403, "message": "Forbidden"}, status=403)
        scopes = [s for s in held.scopes if not s.startswith("access:") or user.access]
        return web.json_response(
            {
                "kind": "user",
                "name": user.name,
                "admin": user.admin,
                "groups": user.groups,
                "session_id": held.session or None,
                "scopes": scopes,
            }
        )


def _refuse(status: int, error: str) -> web.Response:
    return web.json_response({"error": error}, status=status)


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True)
class Answer:
    """The last response that a browser received."""

    status: int
    text: str
    headers: CIMultiDictProxy[str]
    url: str  # path and query of the last request

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies that the response sets or clears."""
        cookies = SimpleCookie()
        for line in self.headers.getall("Set-Cookie", ()):
            cookies.load(line)
        return cookies


class Browser:
    """A browser that sees Hub and service at one origin, as behind a proxy: /hub/ is the Hub.

    Keeps cookies and, as ``xsrf``, the last XSRF token in the HTML of a page. Sends the headers of
    a browser that opens a page (:meth:`go`), sends a form
    (:meth:`post`) or runs a script's fetch (:meth:`fetch`).
    """

    def __init__(self, hub: FakeOAuth, service_origin: str) -> None:
        self.hub = hub
        self.service_origin = service_origin.rstrip("/")
        self.xsrf = ""
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.session.close()

    async def log_in(self, user: str) -> None:
        """Sign in to the Hub."""
        await self.request("GET", f"{self.hub.base_url}hub/login?user={user}")

    async def go(self, path: str, *, follow: bool = True, **headers: str) -> Answer:
        """Open a page."""
        return await self.request("GET", path, follow=follow, headers=_navigation(headers))

    async def post(
        self, path: str, form: Mapping[str, str], *, follow: bool = True, **headers: str
    ) -> Answer:
        """Send a form from one of the service's pages."""
        sent = {"Sec-Fetch-Site": "same-origin"} | _navigation(headers)
        return await self.request("POST", path, follow=follow, headers=sent, data=dict(form))

    async def fetch(self, path: str, *, method: str = "GET", **options: Any) -> Answer:
        """Send a script's same-origin fetch(); ``token`` goes into X-XSRFToken."""
        headers = {
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Dest": "empty",
            "Accept": "*/*",
            **options.pop("headers", {}),
        }
        if token := options.pop("token", ""):
            headers["X-XSRFToken"] = token
        return await self.request(method, path, follow=False, headers=headers, **options)

    async def request(
        self, method: str, path: str, *, follow: bool = True, **options: Any
    ) -> Answer:
        """Send any request; redirects between Hub and service are followed as through a proxy."""
        for _ in range(10):
            in_hub = path.startswith(self.hub.base_url + "hub/")
            origin = self.hub.origin if in_hub else self.service_origin
            async with self.session.request(
                method, URL(origin + path, encoded=True), allow_redirects=False, **options
            ) as response:
                text = await response.text()
                if token := xsrf_in(text):
                    self.xsrf = token
                if not follow or response.status not in (301, 302, 303, 307):
                    return Answer(response.status, text, response.headers, path)
                path = urljoin(path, response.headers["Location"])
                assert not urlsplit(path).netloc, f"redirected away, to {path}"
            method, options = "GET", {k: v for k, v in options.items() if k == "headers"}
        raise AssertionError("too many redirects")

    def cookies(self) -> dict[str, str]:
        """The browser's cookies, by name."""
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}


_XSRF = re.compile(r'(?:name="_xsrf" value|name="[a-z]+-xsrf" content)="([^"]+)"')


def xsrf_in(html: str) -> str:
    """The XSRF token in a page of a service or of a formgrader; empty if there is none."""
    found = _XSRF.search(html)
    return found[1] if found else ""


def _navigation(headers: Mapping[str, str]) -> dict[str, str]:
    standard = {
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
        "Sec-Fetch-Site": "none",
        "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    }
    return standard | {name.replace("_", "-"): value for name, value in headers.items()}
