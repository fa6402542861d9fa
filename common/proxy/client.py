"""A client for configurable-http-proxy's routes API.

Source: https://github.com/jupyterhub/configurable-http-proxy#rest-api
"""

from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from common.clock import Clock, SystemClock
from common.errors import ProxyRejected
from common.hub.http import PROXY, Answer, Retry, plain_url, request
from common.hub.models import Route


class ProxyClient:
    """The proxy's route table. ``api_url`` is its address, e.g. ``http://127.0.0.1:8001``.

    Every method raises a :class:`~common.errors.ProxyError` by what happened. Each may
    safely be repeated, and is: a route is what it is after one POST or two.
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
        self._session = session
        self._token = token
        self._clock = clock or SystemClock()
        self._retry = retry or Retry(attempts=2, max_seconds=1.0)
        self._timeout_seconds = timeout_seconds

    async def routes(self) -> dict[str, Route]:
        """The whole table by path, quoted as in an address. The proxy itself unquotes paths."""
        answer = await self._request("GET", "/api/routes", expect=_TABLE.decode)
        table = {
            quote(path, safe=_SAFE): entry for path, entry in _TABLE.decode(answer.body).items()
        }
        return {path: _route(path, entry) for path, entry in table.items()}

    async def route(self, path: str) -> Route | None:
        """The route at exactly this path, None where there is none."""
        try:
            answer = await self._request("GET", _path(path), expect=_ENTRY.decode)
        except ProxyRejected as error:
            if error.status == 404:
                return None
            raise
        return _route(path, _ENTRY.decode(answer.body))

    async def add(self, path: str, target: str, data: dict[str, Any] | None = None) -> None:
        """Lead ``path`` to ``target``, whatever stood there before.

        ``data`` is kept with the route; without a ``jupyterhub`` key in it the Hub's own
        route check leaves the route alone.
        """
        await self._request("POST", _path(path), json={"target": target, **(data or {})})

    async def remove(self, path: str) -> bool:
        """Remove the route; False when there was none."""
        try:
            await self._request("DELETE", _path(path))
        except ProxyRejected as error:
            if error.status == 404:
                return False
            raise
        return True

    async def _request(self, method: str, path: str, **options: Any) -> Answer:
        return await request(
            self._session,
            method,
            self.api_url + path,
            token=self._token,
            family=PROXY,
            clock=self._clock,
            retry=self._retry,
            timeout_seconds=self._timeout_seconds,
            repeatable=True,
            **options,
        )


#: What stands in a path as it is (RFC 3986 3.3).
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
    """The API address of a route; ``%`` stays, since a route's path is quoted already."""
    return "/api/routes" + quote("/" + path.strip("/"), safe=_SAFE + "%")
