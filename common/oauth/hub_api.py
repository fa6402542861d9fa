"""The two requests of sign-in to the Hub: whose token is this, and the token for a code."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from common.errors import HubBadResponse, HubFailed, HubForbidden, HubRejected, HubUnavailable
from common.hub.connection import plain_url
from common.oauth.settings import OAuthSettings


class HubTokenAPI:
    """Sends the requests over ``session``, which its owner sets before the first one."""

    session: aiohttp.ClientSession

    def __init__(self, settings: OAuthSettings) -> None:
        self._settings = settings
        self._url = plain_url(settings.api_url).rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=settings.request_timeout)

    async def owner_model(self, token: str) -> Mapping[str, Any] | None:
        """The Hub's model of the token's owner; None if the Hub does not accept the token."""
        url = f"{self._url}/user"
        status, body = await self._send("GET", url, token)
        if status in (401, 403):
            return None
        model = _decode(status, body, "GET", url)
        if not isinstance(model.get("name"), str):
            raise HubBadResponse("not a user or service", method="GET", url=url)
        return model

    async def exchange(self, code: str, code_verifier: str) -> str:
        """The token for an OAuth code.

        Raises HubRejected for a code that is invalid, used or expired, and HubForbidden if the Hub
        does not know this service.
        """
        url = f"{self._url}/oauth2/token"
        form = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.api_token,
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": code_verifier,
            "redirect_uri": self._settings.redirect_uri,
        }
        status, body = await self._send("POST", url, self._settings.api_token, form)
        token = _decode(status, body, "POST", url).get("access_token")
        if not isinstance(token, str):
            raise HubBadResponse("no access token in the response", method="POST", url=url)
        return token

    async def _send(
        self, method: str, url: str, token: str, form: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        try:
            async with self.session.request(
                method,
                url,
                data=form,
                headers={"Authorization": f"token {token}"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = type(error).__name__
            raise HubUnavailable(f"no response: {reason}", method=method, url=url) from None


def _decode(status: int, body: bytes, method: str, url: str) -> dict[str, Any]:
    """The JSON object in a successful response; otherwise the error that fits the status."""
    where: dict[str, Any] = {"method": method, "url": url, "status": status}
    if status in (401, 403) or (status >= 400 and b"invalid_client" in body):
        raise HubForbidden("the Hub does not accept this service's token", **where)
    # The proxy responds with 404 while the Hub behind it is down.
    if status in (404, 429, 502, 503, 504) or 300 <= status < 400:
        raise HubUnavailable(f"responded with {status}", **where)
    if status >= 500:
        raise HubFailed(f"responded with {status}", **where)
    if status >= 400:
        raise HubRejected(f"responded with {status}", **where)
    try:
        found = json.loads(body)
    except ValueError:
        raise HubBadResponse("the response is not JSON", **where) from None
    if not isinstance(found, dict):
        raise HubBadResponse("the response is not a JSON object", **where)
    return found
