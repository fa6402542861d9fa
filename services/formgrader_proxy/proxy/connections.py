"""Kept connections to one upstream, for requests without a body.

Nearly all that a formgrader is asked are GETs. aiohttp's client is made for anything that
HTTP knows, and takes twice as long for one as its server takes; so a GET is written here,
on connections of our own, and the answer is read by the protocol of aiohttp's client
(``ResponseHandler``: its parser, its flow control). What has a body goes by that client.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from ssl import SSLContext, create_default_context
from urllib.parse import unquote, urlsplit

from aiohttp import ClientPayloadError, ServerDisconnectedError, StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from multidict import CIMultiDictProxy

from services.formgrader_proxy.proxy.kept import Kept

CONNECT_SECONDS = 5.0
#: How long an unused connection is kept, and how many are.
KEEP_SECONDS = 15.0
MOST_KEPT = 100
#: What may be asked so: it has no body, and asking twice is no harm.
METHODS = frozenset({"GET", "HEAD"})


class Answer:
    """An upstream's answer, whose body flows in as :attr:`content` is read."""

    __slots__ = ("_connection", "_connections", "content", "headers", "reason", "status")

    def __init__(
        self,
        connections: "Connections",
        connection: ResponseHandler,
        message: RawResponseMessage,
        content: StreamReader,
    ) -> None:
        self._connections = connections
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
        """The whole body. :raises ClientPayloadError: it broke off"""
        if self.content.is_eof():  # it came with the head, as small ones do
            return self.content.read_nowait()
        return await self.content.read()

    def release(self) -> None:
        """Keep the connection if the body was read to its end, close it otherwise."""
        self._connections.take_back(self._connection)

    def close(self) -> None:
        """Close the connection, which tells the upstream to stop."""
        self._connection.close()


class Connections:
    """Those to the upstream at ``url``: ``http``, ``https`` or ``http+unix``, without a path."""

    def __init__(self, url: str, *, read_buffer: int, tls: SSLContext | None = None) -> None:
        """``read_buffer`` bytes of an answer wait here before the upstream is not read on.

        ``tls`` is for ``https``, and made where it is not given.
        """
        parts = urlsplit(url)
        self._socket = unquote(parts.netloc) if parts.scheme == "http+unix" else None
        https = parts.scheme == "https"
        self._tls = (tls or create_default_context()) if https else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if https else 80)
        self._authority = "localhost" if self._socket else parts.netloc
        self._read_buffer = read_buffer
        self._kept: deque[tuple[float, ResponseHandler]] = deque()
        self._closed = False

    async def ask(self, method: str, raw_target: str, headers: Mapping[str, str]) -> Answer:
        """Send a request without a body, as soon as a connection is there.

        :raises OSError, TimeoutError: no connection
        :raises ClientError, HttpProcessingError: what came is no answer
        """
        head = _head(method, raw_target, self._authority, headers)
        while True:
            connection = self._kept_connection()
            if connection is None:
                return await self._ask_on(await self._connect(), method, head)
            try:
                return await self._ask_on(connection, method, head)
            except (ServerDisconnectedError, OSError):
                continue  # it was closed while we wrote, as may happen to a kept one

    def take_back(self, connection: ResponseHandler) -> None:
        """Keep a connection for the next request, if it can be."""
        if self._closed or connection.should_close or not connection.is_connected():
            connection.close()
            return
        now = time.monotonic()
        self._kept.append((now, connection))
        while len(self._kept) > MOST_KEPT or now - self._kept[0][0] > KEEP_SECONDS:
            self._kept.popleft()[1].close()

    def close(self) -> None:
        """Close what is kept; what is in use closes when it is done."""
        self._closed = True
        while self._kept:
            self._kept.pop()[1].close()

    def _kept_connection(self) -> ResponseHandler | None:
        """The one that was used last and is still good."""
        oldest = time.monotonic() - KEEP_SECONDS
        while self._kept:
            since, connection = self._kept.pop()
            if since > oldest and connection.is_connected() and not connection.should_close:
                return connection
            connection.close()
        return None

    async def _connect(self) -> ResponseHandler:
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

    async def _ask_on(self, connection: ResponseHandler, method: str, head: bytes) -> Answer:
        try:
            _send(connection, head, self._read_buffer, no_body=method == "HEAD")
            message, content = await connection.read()
            while _is_interim(message.code):
                message, content = await connection.read()
        except BaseException:
            connection.close()
            raise
        return Answer(self, connection, message, content)


def _is_interim(status: int) -> bool:
    """Whether the answer proper is still to come."""
    if status == 101:
        raise HttpProcessingError(message="another protocol, for which nobody asked")
    return 100 <= status < 200


def _send(connection: ResponseHandler, head: bytes, read_buffer: int, *, no_body: bool) -> None:
    transport = connection.transport
    if transport is None:
        raise ServerDisconnectedError
    connection.set_response_params(
        skip_payload=no_body,
        read_until_eof=True,
        auto_decompress=False,
        read_bufsize=read_buffer,
    )
    transport.write(head)


#: What can come of asking beside OSError and TimeoutError; a payload's error comes later.
FAULTS = (ServerDisconnectedError, ClientPayloadError, HttpProcessingError)


def _head(method: str, raw_target: str, authority: str, headers: Mapping[str, str]) -> bytes:
    """The request as it goes over the wire. :raises ValueError: a line break in it"""
    fields = tuple(headers.items())
    lines = _lines.get(fields)
    if lines is None:
        lines = _encode("".join(f"{name}: {value}\r\n" for name, value in fields), len(fields))
        if len(lines) <= KEPT_BYTES:
            _lines.put(fields, lines)
    start = _encode(f"{method} {raw_target} HTTP/1.1\r\nHost: {authority}\r\n", 2)
    return b"%b%b\r\n" % (start, lines)


#: The fields of requests as they were written, for the next that brings the same.
_lines: Kept[tuple[tuple[str, str], ...], bytes] = Kept(512)
KEPT_BYTES = 8 * 1024


def _encode(text: str, lines: int) -> bytes:
    if not text.count("\r") == text.count("\n") == lines or "\0" in text:
        raise ValueError("a line break in a request's head")
    # As aiohttp's server decoded them: bytes that are no UTF-8 go on as they came.
    return text.encode("utf-8", "surrogateescape")
