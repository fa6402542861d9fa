"""A client for the Hub's REST API: typed, paginated, careful with what it repeats.

Sources: JupyterHub 6.1's ``apihandlers/`` and https://jupyterhub.readthedocs.io (REST API).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from common.clock import Clock, SystemClock
from common.errors import HubBadAnswer, HubNotFound, HubRejected, RequestError
from common.http import HUB, NO_RETRY, Answer, Retry, plain_url, request
from common.models import (
    Group,
    Page,
    Server,
    User,
    decode_groups_page,
    decode_server,
    decode_user,
    decode_users_page,
)

_T = TypeVar("_T")
#: Reads a page, and the offset at which the Hub says the next one begins.
_DecodePage = Callable[[bytes], tuple[_T, int | None]]

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


@dataclass(frozen=True)
class _Heard:
    """A ``Date`` of the Hub's, and when it came on our monotonic clock."""

    date: datetime
    at: float


class HubClient:
    """The Hub's API with our token.

    Every method raises a :class:`~common.errors.HubError` by what happened. Reads are
    repeated as :class:`~common.http.Retry` says; stops and deletions only where the Hub
    has surely not begun, since by the second time the user may have started anew.
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
        self.page_size = page_size or DEFAULT_PAGE_SIZE
        self.broken_items = 0
        self._session = session
        self._token = token
        self._clock = clock or SystemClock()
        self._retry = retry or Retry()
        self._timeout_seconds = timeout_seconds
        self._on_request = on_request
        self._heard: _Heard | None = None
        self._reads_single_servers = True
        self._decode_user = partial(decode_user, raw=keep_raw)
        self._decode_server = partial(decode_server, raw=keep_raw)
        self._decode_page = partial(_users_page, raw=keep_raw)

    def hub_now(self) -> datetime:
        """The time on the Hub's clock; on ours until the Hub has told its own.

        Never ahead of the Hub: its ``Date`` was written before it reached us. So a skewed
        machine makes nobody look idler than they are.
        """
        if self._heard is None:
            return self._clock.now()
        return self._heard.date + timedelta(seconds=self._clock.monotonic() - self._heard.at)

    @property
    def hub_time(self) -> datetime | None:
        """The newest ``Date`` that the Hub sent."""
        return self._heard.date if self._heard else None

    async def info(self) -> HubInfo:
        """``GET /``: the version. Needs no token."""
        return await self._read("info", "/", _INFO.decode)

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

        Nobody comes twice, though the Hub's offsets count over a live query. Who moves
        across a page's edge in that moment may be missed, and is there at the next listing.
        ``state`` is "active", "ready" or "inactive"; ``sort`` a field, "-" for newest first.

        :raises HubBadAnswer: the Hub's next page does not lie ahead of this one
        """
        query = {"limit": str(self.page_size)}
        query |= {} if state is None else {"state": state}
        query |= {} if sort is None else {"sort": sort}
        query |= {} if name_filter is None else {"name_filter": name_filter}
        seen: set[int] = set()
        async with aclosing(self._pages("users", "/users", query, self._decode_page)) as pages:
            async for page in pages:
                self.broken_items += len(page.broken)
                # Hashes, not names: at 200,000 users the names alone would weigh 12 MB.
                fresh = [user for user in page.items if hash(user.name) not in seen]
                seen.update(hash(user.name) for user in fresh)
                yield fresh

    async def groups(self) -> AsyncGenerator[list[Group]]:
        """All groups with their members, a page at a time."""
        seen: set[str] = set()
        query = {"limit": str(self.page_size)}
        async with aclosing(self._pages("groups", "/groups", query, decode_groups_page)) as pages:
            async for groups in pages:
                fresh = [group for group in groups if group.name not in seen]
                seen.update(group.name for group in fresh)
                yield fresh

    async def group(self, name: str) -> Group:
        """One group. :raises HubNotFound: there is none of that name"""
        return await self._read("group", f"/groups/{_quoted(name)}", _GROUP.decode)

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
        return StopOutcome.PENDING if answer.status == 202 else StopOutcome.STOPPED

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
            answer = await self._request("metrics", "GET", url, retry=NO_RETRY)
        except RequestError:
            return None
        return answer.body.decode(errors="replace")

    async def _pages(
        self, endpoint: str, path: str, query: dict[str, str], decode: _DecodePage[_T]
    ) -> AsyncGenerator[_T]:
        """Every page as decoded, one ahead of the caller.

        The next address is made from the offset alone, on our own address of the Hub.
        """
        offset = 0
        coming: asyncio.Task[tuple[_T, int | None]] | None
        coming = asyncio.create_task(self._page(endpoint, path, query, offset, decode))
        try:
            while coming is not None:
                page, ahead = await coming
                coming = None
                if ahead is not None and ahead > offset:
                    coming = asyncio.create_task(self._page(endpoint, path, query, ahead, decode))
                yield page
                if ahead is not None and ahead <= offset:
                    raise HubBadAnswer(
                        f"the page after offset {offset} begins at {ahead}",
                        method="GET",
                        url=self.api_url + path,
                    )
                offset = ahead or offset
        finally:
            if coming is not None:
                coming.cancel()
                with suppress(asyncio.CancelledError, RequestError):
                    await coming

    async def _page(
        self,
        endpoint: str,
        path: str,
        query: dict[str, str],
        offset: int,
        decode: _DecodePage[_T],
    ) -> tuple[_T, int | None]:
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

        await self._request(endpoint, "GET", self.api_url + path, headers=headers, expect=expect)
        return decoded[-1]

    async def _send(self, endpoint: str, method: str, path: str, *, json: Any = None) -> Answer:
        return await self._request(endpoint, method, self.api_url + path, json=json)

    async def _request(
        self,
        endpoint: str,
        method: str,
        url: str,
        *,
        retry: Retry | None = None,
        headers: dict[str, str] | None = None,
        json: Any = None,
        expect: Callable[[bytes], None] | None = None,
    ) -> Answer:
        def observe(status: int | None, seconds: float) -> None:
            if self._on_request is not None:
                self._on_request(endpoint, method, status, seconds)

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
            observe=observe,
        )
        if answer.hub_time is not None:
            self._heard = _Heard(answer.hub_time, self._clock.monotonic())
        return answer


def _users_page(body: bytes, *, raw: bool) -> tuple[Page, int | None]:
    page = decode_users_page(body, raw=raw)
    return page, page.next_offset


_GROUP = msgspec.json.Decoder(Group)


def _quoted(name: str) -> str:
    """A name as one path segment, whatever is in it.

    Dots are quoted by hand: ``quote`` leaves them, and "." or ".." as a segment would be
    resolved away by whoever reads the path as a path.
    """
    quoted = quote(name, safe="")
    return quoted.replace(".", "%2E") if quoted.strip(".") == "" else quoted


def _server_path(user: str, server: str) -> str:
    if server:
        return f"/users/{_quoted(user)}/servers/{_quoted(server)}"
    return f"/users/{_quoted(user)}/server"
