"""A client for the Hub's REST API: typed, paginated, with retries only where they are safe.

Sources: JupyterHub 6.1's ``apihandlers/`` and https://jupyterhub.readthedocs.io (REST API).
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from common.clock import Clock, SystemClock
from common.errors import HubError, HubFailed, HubNotFound, HubRejected
from common.hub.clock import HubClock
from common.hub.connection import plain_url
from common.hub.decoding import (
    decode_group,
    decode_groups_page,
    decode_server,
    decode_user,
    decode_users_page,
)
from common.hub.http import HUB_ERRORS, Api, Request, Response
from common.hub.models import Group, HubInfo, Page, Server, TokenOwner, User
from common.hub.paging import pages
from common.hub.retry import NO_RETRY, Retry

_T = TypeVar("_T")

#: Only this media type is paginated; without it the Hub returns a silently truncated list.
PAGINATED = "application/jupyterhub-pagination+json"
#: Large enough to be cheap per user, small enough not to block the Hub's event loop for long.
DEFAULT_PAGE_SIZE = 200

#: Called after each attempt: endpoint (a closed set), method, status (None: no response), seconds.
OnRequest = Callable[[str, str, int | None, float], None]


class StopOutcome(StrEnum):
    """The Hub's response to a stop."""

    STOPPED = "stopped"
    PENDING = "pending"
    GONE = "gone"


_INFO = msgspec.json.Decoder(HubInfo)
_OWNER = msgspec.json.Decoder(TokenOwner)


class HubClient:
    """The Hub's REST API with one token.

    Every method raises a :class:`~common.errors.HubError` by kind of failure. Reads are retried
    according to :class:`~common.hub.retry.Retry`. Stops and deletions are retried only if the Hub
    has certainly not begun to process them, and after a short wait, since the user may start the
    server again in the meantime.

    ``broken_items`` counts items that could not be decoded, and ``gaps`` pages before which items
    may have been missed, both over all listings.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        token: str,
        *,
        clock: Clock | None = None,
        retry: Retry | None = None,
        page_size: int = 0,
        timeout_seconds: float = 60.0,
        on_request: OnRequest | None = None,
        keep_models: bool = False,
    ) -> None:
        """``keep_models`` keeps the Hub's own JSON of each server in ``Server.model``."""
        self.api_url = plain_url(api_url)
        self._root = URL(self.api_url, encoded=True)
        self._prefix = urlsplit(self.api_url).path
        self.page_size = page_size or DEFAULT_PAGE_SIZE
        self.broken_items = 0
        self.gaps = 0
        self._clock = clock or SystemClock()
        self._api = Api(session, token, HUB_ERRORS, self._clock, retry or Retry(), timeout_seconds)
        self._on_request = on_request
        self._hub_clock = HubClock()
        self._reads_single_servers = True
        self._decode_user = partial(decode_user, keep_model=keep_models)
        self._decode_server = partial(decode_server, keep_model=keep_models)
        self._decode_page = partial(decode_users_page, keep_model=keep_models)

    def hub_now(self) -> datetime:
        """The time on the Hub's clock; the local time until the Hub has sent its own."""
        return self._hub_clock.now(self._clock.monotonic()) or self._clock.now()

    async def info(self) -> HubInfo:
        """``GET /``: the Hub's version. Requires no token."""
        return await self._read("info", "/", _INFO.decode)

    async def health(self) -> None:
        """``GET /health``. Unlike the other calls it is not written to the Hub's log."""
        await self._request("health", "GET", self._url("/health"))

    async def whoami(self) -> TokenOwner:
        """``GET /user``: the token's owner and scopes. Works with any valid token."""
        return await self._read("user_self", "/user", _OWNER.decode)

    async def users(
        self,
        *,
        state: str | None = None,
        sort: str | None = None,
        name_filter: str | None = None,
    ) -> AsyncGenerator[list[User]]:
        """All users, one page at a time. The next page is requested while the caller uses this one.

        Each user is listed once, although the Hub's offsets apply to a changing list; see
        :mod:`common.hub.paging`. ``state`` is "active", "ready" or "inactive". ``sort`` is a field
        name, with "-" in front for descending order.

        :raises HubBadResponse: the pagination link is invalid
        """
        query = {"limit": str(self.page_size)}
        query |= {} if state is None else {"state": state}
        query |= {} if sort is None else {"sort": sort}
        query |= {} if name_filter is None else {"name_filter": name_filter}

        async def read(offset: int) -> Page[User]:
            return await self._page("users", "/users", query, offset, self._decode_page)

        counted = state is None and name_filter is None
        async with aclosing(pages(read, filtered=state == "ready", counted=counted)) as listing:
            async for page in listing:
                self.broken_items += len(page.broken)
                self.gaps += page.gap
                yield page.items

    async def longest_idle(self, limit: int) -> list[User]:
        """One page of users with running servers, least recently active first.

        An older Hub ignores the requested order.
        """
        query = {"state": "ready", "sort": "last_activity", "limit": str(limit)}
        return (await self._page("users", "/users", query, 0, self._decode_page)).items

    async def groups(self) -> AsyncGenerator[list[Group]]:
        """All groups with their members, one page at a time."""
        query = {"limit": str(self.page_size)}

        async def read(offset: int) -> Page[Group]:
            return await self._page("groups", "/groups", query, offset, decode_groups_page)

        async with aclosing(pages(read)) as listing:
            async for page in listing:
                self.broken_items += len(page.broken)
                self.gaps += page.gap
                yield page.items

    async def group(self, name: str) -> Group:
        """One group. :raises HubNotFound: there is no such group"""
        return await self._read("group", f"/groups/{_quoted(name)}", decode_group)

    async def create_group(self, name: str) -> bool:
        """Create a group without members. Returns False if it exists already."""
        try:
            await self._send("group", "POST", f"/groups/{_quoted(name)}", json={})
        except HubRejected as error:
            if error.status != 409:
                raise
            return False
        return True

    async def user(self, name: str) -> User:
        """One user with all their servers. :raises HubNotFound: there is no such user"""
        return await self._read("user", f"/users/{_quoted(name)}", self._decode_user)

    async def server(self, user: str, server: str) -> Server | None:
        """The current state of one server; None if the server or its user does not exist.

        JupyterHub 6 can return a single server. An older Hub responds 405; from then on the user's
        model is requested instead.
        """
        if self._reads_single_servers:
            try:
                return await self._read("server", _server_path(user, server), self._decode_server)
            except HubNotFound:
                return None
            except HubRejected as error:
                if error.status != 405:
                    raise
                self._reads_single_servers = False
        try:
            return (await self.user(user)).servers.get(server)
        except HubNotFound:
            return None

    async def start_server(
        self, user: str, server: str = "", options: dict[str, Any] | None = None
    ) -> bool:
        """Start a server. Returns True if it is ready, False if it is still starting."""
        response = await self._send("server", "POST", _server_path(user, server), json=options)
        return response.status == 201

    async def stop_server(self, user: str, server: str, *, remove: bool = False) -> StopOutcome:
        """Stop a server. With ``remove``, also delete a named server."""
        body = {"remove": True} if remove and server else None
        try:
            response = await self._send("server", "DELETE", _server_path(user, server), json=body)
        except HubNotFound:
            return StopOutcome.GONE
        except HubFailed:
            # Before version 6, JupyterHub responds 500 if the user does not exist.
            if await self._is_gone(user):
                return StopOutcome.GONE
            raise
        return StopOutcome.PENDING if response.status == 202 else StopOutcome.STOPPED

    async def _is_gone(self, user: str) -> bool:
        """Whether the Hub reports that there is no such user; False if it cannot be determined."""
        url = self._url(f"/users/{_quoted(user)}")
        try:
            await self._request("user", "GET", url, retry=NO_RETRY)
        except HubError as error:
            return isinstance(error, HubNotFound)
        return False

    async def delete_user(self, name: str) -> bool:
        """Delete a user. Returns False if there was no such user."""
        try:
            await self._send("user", "DELETE", f"/users/{_quoted(name)}")
        except HubNotFound:
            return False
        return True

    async def metrics(self) -> str | None:
        """The Hub's own metrics; None if the token may not read them."""
        try:
            return (await self.metrics_page()).decode(errors="replace")
        except HubError:
            return None

    async def metrics_page(self, *, most_bytes: int | None = None) -> bytes:
        """The Hub's own metrics in Prometheus' text format. Not retried.

        :raises HubForbidden: the token may not read them
        :raises HubError: they could not be read, or are larger than ``most_bytes``
        """
        url = self.api_url.removesuffix("/api") + "/metrics"
        request = Request("GET", URL(url, encoded=True), most_bytes=most_bytes)
        return (await self._send_request("metrics", request, retry=NO_RETRY)).body

    async def _page(
        self,
        endpoint: str,
        path: str,
        query: dict[str, str],
        offset: int,
        decode: Callable[[bytes], Page[_T]],
    ) -> Page[_T]:
        """The page at an offset, whatever URL the Hub's link to it names."""
        arguments = urlencode(query | ({"offset": str(offset)} if offset else {}))
        return await self._read(
            endpoint, f"{path}?{arguments}", decode, headers={"Accept": PAGINATED}
        )

    async def _read(
        self,
        endpoint: str,
        path: str,
        decode: Callable[[bytes], _T],
        *,
        headers: dict[str, str] | None = None,
    ) -> _T:
        """GET and decode; the request is retried if the body cannot be decoded."""
        decoded: list[_T] = []

        def check(body: bytes) -> None:
            decoded.append(decode(body))

        await self._request(endpoint, "GET", self._url(path), headers=headers, check=check)
        return decoded[-1]

    async def _send(self, endpoint: str, method: str, path: str, *, json: Any = None) -> Response:
        return await self._request(endpoint, method, self._url(path), json=json)

    def _url(self, path: str) -> URL:
        """The URL for a path, byte for byte. Only a path with a query needs parsing."""
        if "?" in path:
            return URL(self.api_url + path, encoded=True)
        return self._root.with_path(self._prefix + path, encoded=True)

    async def _request(
        self,
        endpoint: str,
        method: str,
        url: URL,
        *,
        retry: Retry | None = None,
        headers: dict[str, str] | None = None,
        json: Any = None,
        check: Callable[[bytes], None] | None = None,
    ) -> Response:
        request = Request(method, url, headers, json)
        return await self._send_request(endpoint, request, retry=retry, check=check)

    async def _send_request(
        self,
        endpoint: str,
        request: Request,
        *,
        retry: Retry | None = None,
        check: Callable[[bytes], None] | None = None,
    ) -> Response:
        observe = self._on_request
        response = await self._api.send(
            request,
            retry=retry,
            check=check,
            on_attempt=None if observe is None else partial(observe, endpoint, request.method),
        )
        if response.date is not None:
            self._hub_clock.observe(response.date, self._clock.monotonic(), response.seconds)
        return response


def _quoted(name: str) -> str:
    """A name quoted as a single path segment.

    Dots are quoted separately: ``quote`` keeps them, and a segment "." or ".." would be resolved
    as a relative path.
    """
    if name.isascii() and name.isalnum():
        return name
    quoted = quote(name, safe="")
    return quoted.replace(".", "%2E") if quoted.strip(".") == "" else quoted


def _server_path(user: str, server: str) -> str:
    if server:
        return f"/users/{_quoted(user)}/servers/{_quoted(server)}"
    return f"/users/{_quoted(user)}/server"
