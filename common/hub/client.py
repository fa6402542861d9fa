"""A client for the Hub's REST API: typed, paginated, careful with what it repeats.

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
from common.hub.decoding import (
    decode_group,
    decode_groups_page,
    decode_server,
    decode_user,
    decode_users_page,
)
from common.hub.http import HUB, NO_RETRY, Answer, Retry, plain_url, request
from common.hub.models import Group, Page, Server, User
from common.hub.paging import pages

_T = TypeVar("_T")

#: Only this form is paginated; a plain request gets a bare list, cut without a word.
PAGINATED = "application/jupyterhub-pagination+json"
#: Large enough to be cheap a user, small enough not to hold up the Hub's only loop.
DEFAULT_PAGE_SIZE = 200

#: Told of every attempt: endpoint (a closed set), method, status (None: no answer), seconds.
OnRequest = Callable[[str, str, int | None, float], None]


class StopOutcome(StrEnum):
    """What the Hub said to a stop."""

    STOPPED = "stopped"
    PENDING = "pending"
    GONE = "gone"


class HubInfo(msgspec.Struct, frozen=True):
    """What the Hub tells anybody."""

    version: str


class TokenOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose token ours is, and what it may do."""

    name: str
    kind: str = "user"
    admin: bool = False
    scopes: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()


_INFO = msgspec.json.Decoder(HubInfo)
_OWNER = msgspec.json.Decoder(TokenOwner)


class HubClient:
    """The Hub's API with our token.

    Every method raises a :class:`~common.errors.HubError` by what happened. Reads are
    repeated as :class:`~common.hub.http.Retry` says; stops and deletions only where the Hub
    has surely not begun and after a short pause, since the user may start anew meanwhile.

    ``broken_items`` and ``gaps`` count, over all listings, items that could not be read and
    pages before which somebody may have been missed.
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
        keep_raw: bool = False,
    ) -> None:
        """``keep_raw`` keeps in each server what the Hub wrote (``Server.raw``)."""
        self.api_url = plain_url(api_url)
        self._root = URL(self.api_url, encoded=True)
        self._prefix = urlsplit(self.api_url).path
        self.page_size = page_size or DEFAULT_PAGE_SIZE
        self.broken_items = 0
        self.gaps = 0
        self._session = session
        self._token = token
        self._clock = clock or SystemClock()
        self._retry = retry or Retry()
        self._timeout_seconds = timeout_seconds
        self._on_request = on_request
        self._hub_clock = HubClock()
        self._reads_single_servers = True
        self._decode_user = partial(decode_user, raw=keep_raw)
        self._decode_server = partial(decode_server, raw=keep_raw)
        self._decode_page = partial(decode_users_page, raw=keep_raw)

    def hub_now(self) -> datetime:
        """The time on the Hub's clock; on ours until the Hub has told its own."""
        return self._hub_clock.now(self._clock.monotonic()) or self._clock.now()

    @property
    def hub_time(self) -> datetime | None:
        """The ``Date`` of the Hub's from which :meth:`hub_now` counts."""
        return self._hub_clock.date

    async def info(self) -> HubInfo:
        """``GET /``: the version. Needs no token."""
        return await self._read("info", "/", _INFO.decode)

    async def health(self) -> None:
        """``GET /health``: the Hub answers. Other than the rest it is not in the Hub's log."""
        await self._request("health", "GET", self._url("/health"))

    async def whoami(self) -> TokenOwner:
        """``GET /user``: whose token ours is, and its scopes. Works with any valid token."""
        return await self._read("user_self", "/user", _OWNER.decode)

    async def users(
        self,
        *,
        state: str | None = None,
        sort: str | None = None,
        name_filter: str | None = None,
    ) -> AsyncGenerator[list[User]]:
        """All users, a page at a time; the next page is under way while one is worked on.

        Nobody comes twice, though the Hub's offsets count over a live query, and
        :mod:`common.hub.paging` says how those are found who move across a page's edge.
        ``state`` is "active", "ready" or "inactive"; ``sort`` a field, "-" for newest first.

        :raises HubBadAnswer: the Hub's next page does not lie ahead of this one
        """
        query = {"limit": str(self.page_size)}
        query |= {} if state is None else {"state": state}
        query |= {} if sort is None else {"sort": sort}
        query |= {} if name_filter is None else {"name_filter": name_filter}

        async def read(offset: int) -> Page[User]:
            return await self._page("users", "/users", query, offset, self._decode_page)

        async with aclosing(pages(read, filtered=state == "ready")) as listing:
            async for page in listing:
                self.broken_items += len(page.broken)
                self.gaps += page.gap
                yield page.items

    async def longest_idle(self, limit: int) -> list[User]:
        """Users with running servers, those first who were active the longest ago: one page.

        A Hub that does not know this order answers in another.
        """
        query = {"state": "ready", "sort": "last_activity", "limit": str(limit)}
        return (await self._page("users", "/users", query, 0, self._decode_page)).items

    async def groups(self) -> AsyncGenerator[list[Group]]:
        """All groups with their members, a page at a time."""
        query = {"limit": str(self.page_size)}

        async def read(offset: int) -> Page[Group]:
            return await self._page("groups", "/groups", query, offset, decode_groups_page)

        async with aclosing(pages(read)) as listing:
            async for page in listing:
                self.broken_items += len(page.broken)
                self.gaps += page.gap
                yield page.items

    async def group(self, name: str) -> Group:
        """One group. :raises HubNotFound: there is none of that name"""
        return await self._read("group", f"/groups/{_quoted(name)}", decode_group)

    async def user(self, name: str) -> User:
        """One user with all their servers. :raises HubNotFound: there is no such user"""
        return await self._read("user", f"/users/{_quoted(name)}", self._decode_user)

    async def server(self, user: str, server: str) -> Server | None:
        """One server as it is now, None when it or its user is gone.

        JupyterHub 6 answers this by itself; an older one does not know the method and is
        asked for the whole user from then on.
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
        """Start a server; True when it is ready, False while it is still starting."""
        answer = await self._send("server", "POST", _server_path(user, server), json=options)
        return answer.status == 201

    async def stop_server(self, user: str, server: str, *, remove: bool = False) -> StopOutcome:
        """Stop a server, and with ``remove`` forget a named one."""
        body = {"remove": True} if remove and server else None
        try:
            answer = await self._send("server", "DELETE", _server_path(user, server), json=body)
        except HubNotFound:
            return StopOutcome.GONE
        except HubFailed:
            # JupyterHub before 6 fails (500) where the user is gone.
            if await self._is_gone(user):
                return StopOutcome.GONE
            raise
        return StopOutcome.PENDING if answer.status == 202 else StopOutcome.STOPPED

    async def _is_gone(self, user: str) -> bool:
        """Whether the Hub says that there is no such user; not knowing is not gone."""
        url = self._url(f"/users/{_quoted(user)}")
        try:
            await self._request("user", "GET", url, retry=NO_RETRY)
        except HubError as error:
            return isinstance(error, HubNotFound)
        return False

    async def delete_user(self, name: str) -> bool:
        """Delete a user; False when there was none."""
        try:
            await self._send("user", "DELETE", f"/users/{_quoted(name)}")
        except HubNotFound:
            return False
        return True

    async def metrics(self) -> str | None:
        """The Hub's own metrics, None where our token may not read them."""
        url = self.api_url.removesuffix("/api") + "/metrics"
        try:
            answer = await self._request("metrics", "GET", URL(url, encoded=True), retry=NO_RETRY)
        except HubError:
            return None
        return answer.body.decode(errors="replace")

    async def _page(
        self,
        endpoint: str,
        path: str,
        query: dict[str, str],
        offset: int,
        decode: Callable[[bytes], Page[_T]],
    ) -> Page[_T]:
        """The page at an offset. Its address is ours and the offset's, not the Hub's ``next``."""
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
        """GET and decode; a body that cannot be decoded is asked for again."""
        decoded: list[_T] = []

        def expect(body: bytes) -> None:
            decoded.append(decode(body))

        await self._request(endpoint, "GET", self._url(path), headers=headers, expect=expect)
        return decoded[-1]

    async def _send(self, endpoint: str, method: str, path: str, *, json: Any = None) -> Answer:
        return await self._request(endpoint, method, self._url(path), json=json)

    def _url(self, path: str) -> URL:
        """The address, byte for byte. Without a query nothing in it needs to be parsed."""
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
        expect: Callable[[bytes], None] | None = None,
    ) -> Answer:
        on_request = self._on_request
        answer = await request(
            self._session,
            method,
            url,
            token=self._token,
            family=HUB,
            clock=self._clock,
            retry=retry or self._retry,
            timeout_seconds=self._timeout_seconds,
            headers=headers,
            json=json,
            expect=expect,
            observe=None if on_request is None else partial(on_request, endpoint, method),
        )
        if answer.hub_time is not None:
            self._hub_clock.heard(answer.hub_time, self._clock.monotonic(), answer.seconds)
        return answer


def _quoted(name: str) -> str:
    """A name as one path segment, whatever is in it.

    Dots are quoted by hand: ``quote`` leaves them, and "." or ".." as a segment would be
    resolved away by whoever reads the path as a path.
    """
    if name.isascii() and name.isalnum():
        return name
    quoted = quote(name, safe="")
    return quoted.replace(".", "%2E") if quoted.strip(".") == "" else quoted


def _server_path(user: str, server: str) -> str:
    if server:
        return f"/users/{_quoted(user)}/servers/{_quoted(server)}"
    return f"/users/{_quoted(user)}/server"
