"""Keep-alive connections to one upstream, for requests without a body.

Almost every request to a formgrader is a GET. This module writes it to the socket itself and
lets aiohttp's client protocol (``ResponseHandler``: parser and flow control) read the response.
That takes 27 % less CPU for a proxied request than ``aiohttp.ClientSession``, which prepares
every request for redirects, cookies, proxies, tracing and bodies (measured with 10 connections,
see docs/formgrader.md). Requests with a body and WebSockets use a ``ClientSession``.

``ResponseHandler`` is not part of aiohttp's documented API, so pyproject.toml limits aiohttp to
the minor release that this was tested with, and ``test_connection_pool.py`` names what is used.
No other module may import it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from ssl import SSLContext, create_default_context
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from aiohttp import ClientPayloadError, ServerDisconnectedError, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from multidict import CIMultiDict, CIMultiDictProxy

if TYPE_CHECKING:
    from typing import Self

CONNECT_SECONDS = 5.0
#: How long an idle connection is kept, and how many are.
IDLE_SECONDS = 15.0
MAX_IDLE = 100
#: Methods that the pool sends: without a body, and safe to repeat on a new connection.
METHODS = frozenset({"GET", "HEAD"})
#: What a request can raise besides OSError and TimeoutError. A body can fail later.
ERRORS = (ServerDisconnectedError, ClientPayloadError, HttpProcessingError)


class RequestFields:
    """The header fields of a request, encoded for the wire at most once."""

    __slots__ = ("_encoded", "headers")

    def __init__(self, headers: CIMultiDict[str] | CIMultiDictProxy[str]) -> None:
        self.headers = CIMultiDictProxy(CIMultiDict(headers))
        self._encoded: bytes | None = None

    def without(self, names: Iterable[str]) -> "Self":
        """A copy that lacks the fields of these names."""
        headers = self.headers.copy()
        for name in names:
            headers.popall(name, None)
        return type(self)(headers)

    @property
    def encoded(self) -> bytes:
        """The lines of the fields. :raises ValueError: a line break in one of them"""
        if self._encoded is None:
            lines = [f"{name}: {value}\r\n" for name, value in self.headers.items()]
            self._encoded = _encode("".join(lines), len(lines))
        return self._encoded


class UpstreamResponse:
    """The response of an upstream. Its body arrives as :attr:`content` is read."""

    __slots__ = ("_connection", "_pool", "content", "headers", "reason", "status")

    def __init__(
        self,
        pool: "ConnectionPool",
        connection: ResponseHandler,
        message: RawResponseMessage,
        content: StreamReader,
    ) -> None:
        self._pool = pool
        self._connection = connection
        self.status = message.code
        self.reason = message.reason
        self.headers: CIMultiDictProxy[str] = message.headers
        self.content = content

    @property
    def content_length(self) -> int | None:
        """The announced length of the body in bytes."""
        text = self.headers.get("Content-Length")
        return int(text) if text is not None else None

    async def read(self) -> bytes:
        """The complete body. :raises ClientPayloadError: the connection broke before its end"""
        if self.content.is_eof():  # a small body arrives together with the head
            return self.content.read_nowait()
        return await self.content.read()

    def release(self) -> None:
        """Keep the connection if the body was read to its end, close it otherwise."""
        self._pool.release(self._connection)

    def close(self) -> None:
        """Close the connection, which makes the upstream stop sending."""
        self._connection.close()


class ConnectionPool:
    """Connections to the upstream at ``url``: ``http``, ``https`` or ``http+unix``, no path."""

    def __init__(self, url: str, *, read_buffer: int, tls: SSLContext | None = None) -> None:
        """``read_buffer`` is the number of bytes of a response that are buffered before reading
        from the upstream pauses. ``tls`` is for ``https``; the default trusts what the system
        trusts.
        """
        parts = urlsplit(url)
        self._socket = unquote(parts.netloc) if parts.scheme == "http+unix" else None
        https = parts.scheme == "https"
        self._tls = (tls or create_default_context()) if https else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if https else 80)
        self._authority = "localhost" if self._socket else parts.netloc
        self._read_buffer = read_buffer
        self._idle: deque[tuple[float, ResponseHandler]] = deque()
        self._closed = False

    async def request(
        self, method: str, raw_target: str, fields: RequestFields
    ) -> UpstreamResponse:
        """Send a request without a body and wait for the head of the response.

        :raises OSError, TimeoutError: no connection could be made
        :raises ClientError, HttpProcessingError: the upstream sent no valid response
        :raises ValueError: a line break in the target or in a field
        """
        start = _encode(f"{method} {raw_target} HTTP/1.1\r\nHost: {self._authority}\r\n", 2)
        head = b"%b%b\r\n" % (start, fields.encoded)
        while True:
            connection = self._take_idle()
            if connection is None:
                return await self._send(await self._connect(), method, head)
            try:
                return await self._send(connection, method, head)
            except (ServerDisconnectedError, OSError):
                continue  # the upstream closed the idle connection just as it was used again

    def release(self, connection: ResponseHandler) -> None:
        """Keep a connection for the next request, if it can be reused."""
        if self._closed or connection.should_close or not connection.is_connected():
            connection.close()
            return
        now = time.monotonic()
        self._idle.append((now, connection))
        while len(self._idle) > MAX_IDLE or now - self._idle[0][0] > IDLE_SECONDS:
            self._idle.popleft()[1].close()

    def close(self) -> None:
        """Close the idle connections now, and those in use when they are released."""
        self._closed = True
        while self._idle:
            self._idle.pop()[1].close()

    def _take_idle(self) -> ResponseHandler | None:
        """The most recently used connection that is still usable."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle:
            since, connection = self._idle.pop()
            if since > oldest and connection.is_connected() and not connection.should_close:
                return connection
            connection.close()
        return None

    async def _connect(self) -> ResponseHandler:
        if self._closed:  # the number in /proc/self/fd may belong to another socket by now
            raise ConnectionRefusedError("the connections to this formgrader are closed")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_SECONDS):
            if self._socket is not None:
                _, connection = await loop.create_unix_connection(
                    lambda: ResponseHandler(loop), self._socket
                )
            else:
                _, connection = await loop.create_connection(
                    lambda: ResponseHandler(loop), self._host, self._port, ssl=self._tls
                )
        return connection

    async def _send(
        self, connection: ResponseHandler, method: str, head: bytes
    ) -> UpstreamResponse:
        try:
            connection.set_response_params(
                skip_payload=method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_bufsize=self._read_buffer,
            )
            _transport(connection).write(head)
            message, content = await connection.read()
            while _is_interim(message.code):
                message, content = await connection.read()
        except BaseException:
            connection.close()
            raise
        return UpstreamResponse(self, connection, message, content)


def _transport(connection: ResponseHandler) -> asyncio.Transport:
    """Where to write. :raises ServerDisconnectedError: the connection was closed"""
    if connection.transport is None:
        raise ServerDisconnectedError
    return connection.transport


def _is_interim(status: int) -> bool:
    """Whether the final response is still to come."""
    if status == 101:
        raise HttpProcessingError(message="the upstream switched protocols without being asked")
    return 100 <= status < 200


def _encode(text: str, lines: int) -> bytes:
    if not text.count("\r") == text.count("\n") == lines or "\0" in text:
        raise ValueError("a line break in the head of a request")
    # aiohttp's server decodes this way: bytes that are not UTF-8 are forwarded unchanged.
    return text.encode("utf-8", "surrogateescape")
