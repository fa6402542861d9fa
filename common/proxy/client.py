"""A client for configurable-http-proxy's routes API.

Source: https://github.com/jupyterhub/configurable-http-proxy#rest-api
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from common.clock import Clock, SystemClock
from common.errors import ProxyRejected
from common.hub.connection import plain_url
from common.hub.http import PROXY_ERRORS, Api, Request, Response
from common.hub.models import Route
from common.hub.retry import Retry


class ProxyClient:
    """The proxy's route table. ``api_url`` is its address, e.g. ``http://127.0.0.1:8001``.

    Every method raises a :class:`~common.errors.ProxyError` by kind of failure. All requests are
    safe to repeat, so all are retried.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        token: str,
        *,
        clock: Clock | None = None,
        retry: Retry | None = None,
        timeout_seconds: float = 5.0,
    ) -> None:
        self.api_url = plain_url(api_url).removesuffix("/api/routes")
        retry = retry or Retry(attempts=2, max_seconds=1.0)
        self._api = Api(
            session, token, PROXY_ERRORS, clock or SystemClock(), retry, timeout_seconds
        )

    async def routes(self) -> dict[str, Route]:
        """The route table by path, quoted as in a URL (the proxy's own table is unquoted)."""
        response = await self._request("GET", "/api/routes", check=_TABLE.decode)
        table = {
            quote(path, safe=_SAFE): entry for path, entry in _TABLE.decode(response.body).items()
        }
        return {path: _route(path, entry) for path, entry in table.items()}

    async def route(self, path: str) -> Route | None:
        """The route with exactly this path; None if there is none."""
        try:
            response = await self._request("GET", _path(path), check=_ENTRY.decode)
        except ProxyRejected as error:
            if error.status == 404:
                return None
            raise
        return _route(path, _ENTRY.decode(response.body))

    async def add(self, path: str, target: str, data: dict[str, Any] | None = None) -> None:
        """Route ``path`` to ``target``, replacing any existing route.

        ``data`` is stored with the route. Unless it has a ``jupyterhub`` key, the Hub's route
        check leaves the route alone.
        """
        await self._request("POST", _path(path), json={"target": target, **(data or {})})

    async def remove(self, path: str) -> bool:
        """Remove the route. Returns False if there was none."""
        try:
            await self._request("DELETE", _path(path))
        except ProxyRejected as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _request(
        self,
        method: str,
        path: str,
        *,
        json: dict[str, Any] | None = None,
        check: Callable[[bytes], Any] | None = None,
    ) -> Response:
        url = URL(self.api_url + path, encoded=True)
        return await self._api.send(Request(method, url, json=json, repeatable=True), check=check)


#: Characters that need no quoting in a path (RFC 3986, 3.3).
_SAFE = "/@:~+!$&'()*,;="
_TABLE = msgspec.json.Decoder(dict[str, dict[str, Any]])
_ENTRY = msgspec.json.Decoder(dict[str, Any])


def _route(path: str, entry: dict[str, Any]) -> Route:
    data = {key: value for key, value in entry.items() if key not in {"target", "last_activity"}}
    try:
        last_activity = msgspec.convert(entry.get("last_activity"), datetime | None)
    except msgspec.ValidationError:
        last_activity = None
    target = entry.get("target")
    return Route(
        path=path,
        target=target if isinstance(target, str) else "",
        data=data,
        last_activity=last_activity,
    )


def _path(path: str) -> str:
    """The API path of a route; ``%`` is kept, since the route's path is already quoted."""
    return "/api/routes" + quote("/" + path.strip("/"), safe=_SAFE + "%")
