"""One HTTP request, carried to an upstream and back as it flows.

Bodies are never held: a chunk is read when the last one has been taken, so a slow
reader slows the writer and nothing piles up here. Only an answer whose announced
length is small is taken whole, for one write instead of two.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from ssl import create_default_context
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from services.formgrader_proxy.proxy.connections import FAULTS, METHODS, Answer, Connections
from services.formgrader_proxy.proxy.headers import to_client

#: Up to this announced length an answer is taken whole.
SMALL_BYTES = 64 * 1024
#: What the client buffers of an upstream's answer before it stops reading.
READ_BUFFER_BYTES = 256 * 1024

#: What may make an answer partial, packed or empty.
_SELECTIVE = ("Accept-Encoding", "If-Modified-Since", "If-None-Match", "If-Range", "Range")
#: Autograding answers after minutes, so there is no total limit; only the connection has one.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=None)


class UpstreamUnreachable(Exception):
    """The upstream could not be reached, or went away before it answered."""


@dataclass(frozen=True)
class Upstream:
    """Where a course's formgrader is, and the connections to it.

    ``origin`` is scheme and authority without a path: the upstream's own base URL is
    the public prefix, so the path goes on as it came. ``session`` is for what has a body or
    is a WebSocket, ``connections`` for the rest.
    """

    origin: str
    token: str | None
    session: aiohttp.ClientSession
    connections: Connections

    @classmethod
    def at(cls, url: str, token: str | None) -> "Upstream":
        """The one at ``url``: ``http``, ``https`` or ``http+unix``, without a path."""
        parts = urlsplit(url)
        connector: aiohttp.BaseConnector
        # Trusts what the system does; SSL_CERT_FILE and SSL_CERT_DIR change that.
        tls = create_default_context() if parts.scheme == "https" else None
        if parts.scheme == "http+unix":
            connector = aiohttp.UnixConnector(unquote(parts.netloc), limit=0)
            origin = "http://localhost"
        else:
            connector, origin = aiohttp.TCPConnector(limit=0, ssl=tls or True), url
        connections = Connections(url, read_buffer=READ_BUFFER_BYTES, tls=tls)
        return cls(origin, token, _session(connector), connections)

    async def close(self) -> None:
        """Close the connections."""
        self.connections.close()
        await self.session.close()


def _session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """A session that passes on what it gets: no cookies, no decompression, no proxies."""
    return aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=TIMEOUT,
        trust_env=False,
    )


async def forward_http(
    request: web.Request,
    upstream: Upstream,
    raw_target: str,
    headers: CIMultiDict[str],
    *,
    added: tuple[tuple[str, str], ...],
    body: bytes | None = None,
    append: bytes = b"",
) -> web.StreamResponse:
    """Send the request on and give its answer back.

    ``added`` are the answer's security headers. ``body`` stands for one that
    was read already. ``append`` is put behind a small answer of status 200; the upstream is
    then asked for it plain and whole.

    :raises UpstreamUnreachable: before anything was answered; afterwards a broken
        upstream breaks the client's connection too, so that half an answer is not
        taken for a whole one.
    """
    if append:
        for name in _SELECTIVE:
            headers.popall(name, None)
    answer: Answer | aiohttp.ClientResponse
    try:
        if request.method in METHODS and body is None and not request.body_exists:
            answer = await upstream.connections.ask(request.method, raw_target, headers)
        else:
            answer = await upstream.session.request(
                request.method,
                URL(upstream.origin + raw_target, encoded=True),
                headers=headers,
                data=_body(request) if body is None else body,
                allow_redirects=False,
            )
    except (aiohttp.ClientError, OSError, TimeoutError, *FAULTS) as error:
        raise UpstreamUnreachable(type(error).__name__) from error
    # Leaving without release() closes the connection, which tells the upstream to stop.
    try:
        passed = to_client(answer.headers, added=added)
        response = await _answer(request, answer, passed, append)
    except BaseException:
        answer.close()
        raise
    answer.release()
    return response


def _body(request: web.Request) -> AsyncIterator[bytes] | None:
    if not request.body_exists:
        return None
    return request.content.iter_any()


async def _answer(
    request: web.Request,
    answer: Answer | aiohttp.ClientResponse,
    headers: CIMultiDict[str],
    append: bytes,
) -> web.StreamResponse:
    length = answer.content_length
    bodiless = request.method == "HEAD" or answer.status in {204, 304}
    if not bodiless and length is not None and length <= SMALL_BYTES:
        try:
            body = await answer.read()
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamUnreachable(type(error).__name__) from error
        headers.popall("Content-Length", None)
        if append and answer.status == 200:
            body += append
            headers.popall("ETag", None)
            headers.popall("Last-Modified", None)
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    if bodiless:
        return response
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError):
        _break_off(request)
        raise ConnectionResetError("the upstream or the client went away mid-answer") from None
    with suppress(ConnectionError):
        await response.write_eof()
    return response


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
