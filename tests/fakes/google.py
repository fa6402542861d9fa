"""Google's sign-in as a real server on port 0, limited to what GoogleOAuthenticator uses.

The userinfo endpoint responds as https://www.googleapis.com/oauth2/v1/userinfo does: ``email``,
``verified_email`` and, for an organisation's account only, ``hd``.
"""

import secrets
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(frozen=True)
class Account:
    """A Google account. ``organisation`` is the domain that manages it, None for a private one."""

    email: str
    organisation: str | None = None
    verified: bool = True


class FakeGoogle:
    """``async with FakeGoogle() as google``. Every browser signs in as ``google.account``."""

    def __init__(self) -> None:
        self.client_id = "client-" + secrets.token_hex(4)
        self.client_secret = secrets.token_hex(16)
        self.account = Account("nobody@gmail.example")
        self._codes: dict[str, tuple[Account, str]] = {}
        self._tokens: dict[str, Account] = {}
        app = web.Application()
        app.router.add_get("/o/oauth2/v2/auth", self._authorize)
        app.router.add_post("/oauth2/v4/token", self._token)
        app.router.add_get("/oauth2/v1/userinfo", self._userinfo)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        """The origin, without a final slash."""
        return str(self._server.make_url("")).rstrip("/")

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = request.query
        if asked["client_id"] != self.client_id or asked["response_type"] != "code":
            raise web.HTTPBadRequest(text="invalid_client")
        code = secrets.token_urlsafe(16)
        self._codes[code] = self.account, asked["redirect_uri"]
        back = urlencode({"code": code, "state": asked["state"]})
        raise web.HTTPFound(f"{asked['redirect_uri']}?{back}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        account, redirect_uri = self._codes.pop(str(form["code"]), (None, None))
        if account is None or form["redirect_uri"] != redirect_uri:
            return web.json_response({"error": "invalid_grant"}, status=400)
        if (form["client_id"], form["client_secret"]) != (self.client_id, self.client_secret):
            return web.json_response({"error": "invalid_client"}, status=401)
        token = secrets.token_urlsafe(16)
        self._tokens[token] = account
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 3599}
        return web.json_response(answer | {"scope": "openid email"})

    async def _userinfo(self, request: web.Request) -> web.Response:
        account = self._tokens.get(request.headers.get("Authorization", "")[len("Bearer ") :])
        if account is None:
            return web.json_response({"error": "invalid_request"}, status=401)
        info: dict[str, object] = {"id": "1", "email": account.email}
        info["verified_email"] = account.verified
        if account.organisation is not None:
            info["hd"] = account.organisation
        return web.json_response(info)
