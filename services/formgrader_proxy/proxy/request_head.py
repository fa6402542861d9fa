"""The head of a request: parsed, checked, and rewritten for the upstream.

A browser's requests differ in little but their address, while checking and rewriting twenty
fields takes a tenth of a proxied request's time. The result is therefore cached for a short
time. A head contains cookies and tokens, so the cache belongs to the gateway and expires.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import NamedTuple

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from common.clock import Clock
from common.oauth.hub_oauth import speaks_https
from services.formgrader_proxy.proxy.headers import (
    HeaderFault,
    HeadersRefused,
    Outside,
    check_request_head,
    to_upstream,
)
from services.formgrader_proxy.upstream.connection_pool import RequestFields

#: The fields of a head as received: names and values.
RawFields = tuple[tuple[bytes, bytes], ...]

CACHE_SECONDS = 30.0
MAX_CACHED = 512
#: Longer heads are not cached, because any client may send them.
MAX_CACHED_BYTES = 8 * 1024


class RequestHead:
    """A parsed head. ``fault`` is why it is refused, ``outside`` describes the client's side."""

    __slots__ = ("_headers", "_rewritten", "_token", "fault", "outside")

    def __init__(self, method: str, raw: RawFields, client: str, scheme: str) -> None:
        """``client`` is its address, ``scheme`` that of its connection to this service."""
        # Decoded as aiohttp's server does.
        headers = CIMultiDict(
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in raw
        )
        self._headers = CIMultiDictProxy(headers)
        self._token: str | None = None
        self._rewritten: RequestFields | None = None
        self.fault: HeaderFault | None = None
        try:
            check_request_head(method, self._headers)
        except HeadersRefused as refused:
            self.fault = refused.fault
        https = speaks_https(self._headers, scheme)
        self.outside = Outside(client, "https" if https else "http", headers.get("Host", ""))

    def to_upstream(self, token: str | None) -> RequestFields:
        """The fields for the upstream with this token, see :func:`.headers.to_upstream`."""
        if self._rewritten is None or token != self._token:
            headers = to_upstream(self._headers, token=token, outside=self.outside)
            self._rewritten = RequestFields(headers)
            self._token = token
        return self._rewritten


class _Key(NamedTuple):
    method: str
    raw: RawFields
    client: str
    scheme: str


class HeadCache:
    """Parses heads, and keeps the result for :data:`CACHE_SECONDS` at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heads: OrderedDict[_Key, tuple[float, RequestHead]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heads)

    def read(self, method: str, raw: RawFields, client: str, scheme: str) -> RequestHead:
        """The head of a request; the arguments are those of :class:`RequestHead`.

        :raises HeadersRefused: it could be interpreted in two ways
        """
        key = _Key(method, raw, client, scheme)
        now = self._clock.monotonic()
        found = self._heads.get(key)
        if found is not None and now - found[0] < CACHE_SECONDS:
            head = found[1]
        else:
            head = RequestHead(*key)
            if sum(len(name) + len(value) for name, value in raw) <= MAX_CACHED_BYTES:
                self._put(key, now, head)
        if head.fault is not None:
            raise HeadersRefused(head.fault)
        return head

    async def expire(self, _app: web.Application) -> AsyncIterator[None]:
        """A cleanup context of the application: expired heads are dropped while it runs."""

        async def keep_forgetting() -> None:
            while True:
                await self._clock.sleep(CACHE_SECONDS)
                self.forget_expired()

        task = asyncio.create_task(keep_forgetting())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def forget_expired(self) -> None:
        """Drop the heads that are too old, whether or not they are requested again."""
        oldest = self._clock.monotonic() - CACHE_SECONDS
        while self._heads:
            since, _ = next(iter(self._heads.values()))
            if since > oldest:
                return
            self._heads.popitem(last=False)

    def _put(self, key: _Key, now: float, head: RequestHead) -> None:
        self._heads.pop(key, None)  # the newest is last
        self._heads[key] = (now, head)
        if len(self._heads) > MAX_CACHED:
            self._heads.popitem(last=False)
