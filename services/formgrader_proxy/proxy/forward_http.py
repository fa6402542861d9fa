"""Forwarding one HTTP request to an upstream, and its response back, as a stream.

A response is not collected: a chunk is read when the previous one has been taken, so a slow reader
slows down the upstream and memory stays bounded. Only a response with a small announced length is
read completely, because one write is cheaper than two. A request's body is complete before it is
sent (see :mod:`.request_body`).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from services.formgrader_proxy.proxy.policy_headers import NONCE_HEADER
from services.formgrader_proxy.proxy.request_body import Body
from services.formgrader_proxy.proxy.response_headers import Surroundings, to_client
from services.formgrader_proxy.upstream.connection_pool import (
    ERRORS,
    METHODS,
    RequestFields,
    UpstreamResponse,
)
from services.formgrader_proxy.upstream.endpoint import (
    RequestFailed,
    Upstream,
    UpstreamUnreachable,
)

#: A response up to this announced length is read completely.
SMALL_BYTES = 64 * 1024
#: Request fields that can make a response partial, compressed or empty.
_SELECTIVE = ("Accept-Encoding", "If-Modified-Since", "If-None-Match", "If-Range", "Range")


@dataclass(frozen=True, slots=True)
class Additions:
    """What the proxy changes in a response: redirects, security headers, and bytes after the body.

    ``surroundings`` are where it may redirect to. ``append`` follows the body of a response with
    status 200, of any length. The upstream is then asked for the complete, uncompressed body.
    ``policy`` makes the security headers from the nonces that the upstream sends in
    :data:`NONCE_HEADER`.
    """

    surroundings: Surroundings
    append: bytes = b""
    policy: Callable[[Sequence[str]], tuple[tuple[str, str], ...]] | None = None


async def forward_http(
    request: web.Request,
    upstream: Upstream,
    raw_target: str,
    fields: RequestFields,
    additions: Additions,
    *,
    body: Body | None = None,
) -> web.StreamResponse:
    """Send the request with ``body`` to the upstream and return its response.

    :raises RedirectRefused: the upstream redirects to an address outside the course
    :raises UpstreamUnreachable: if nothing was sent to the client yet. Later, a broken upstream
        breaks the client's connection, too, so that an incomplete response is not mistaken for
        a complete one.
    """
    if additions.append:
        fields = fields.without(_SELECTIVE)
    if upstream.session.closed:  # it was stopped a moment ago
        raise UpstreamUnreachable("its connections are closed")
    received: UpstreamResponse | aiohttp.ClientResponse
    try:
        if request.method in METHODS and body is None:
            received = await upstream.pool.request(request.method, raw_target, fields)
        else:
            received = await upstream.session.request(
                request.method,
                URL(upstream.origin + raw_target, encoded=True),
                headers=fields.headers,
                data=None if body is None else body.data,
                allow_redirects=False,
            )
    except (aiohttp.ClientError, OSError, TimeoutError, *ERRORS) as error:
        if isinstance(error, RequestFailed):
            raise UpstreamUnreachable(str(error), sent=error.sent) from error
        raise UpstreamUnreachable(type(error).__name__, sent=True) from error
    # Leaving without release() closes the connection, which makes the upstream stop.
    try:
        added: tuple[tuple[str, str], ...] = ()
        if additions.policy is not None:
            added = additions.policy(received.headers.getall(NONCE_HEADER, ()))
        headers = to_client(received.status, received.headers, additions.surroundings, added=added)
        with upstream.streaming():
            response = await _send_back(request, received, headers, additions)
    except BaseException:
        received.close()
        raise
    received.release()
    return response


async def _send_back(
    request: web.Request,
    received: UpstreamResponse | aiohttp.ClientResponse,
    headers: CIMultiDict[str],
    additions: Additions,
) -> web.StreamResponse:
    status, reason, length = received.status, received.reason, received.content_length
    bodiless = request.method == "HEAD" or status in {204, 304}
    append = additions.append if status == 200 else b""
    if not bodiless and length is not None and length <= SMALL_BYTES:
        try:
            body = await received.read()
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamUnreachable(type(error).__name__, sent=True) from error
        headers.popall("Content-Length", None)
        if append:
            body += append
            _forget_version(headers)
        return web.Response(status=status, reason=reason, headers=headers, body=body)
    if append:
        _forget_version(headers)
        if length is not None:
            headers["Content-Length"] = str(length + len(append))
    response = web.StreamResponse(status=status, reason=reason, headers=headers)
    if bodiless:
        return response
    await response.prepare(request)
    try:
        async for chunk in received.content.iter_any():
            await response.write(chunk)
        if append:
            await response.write(append)
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError):
        _abort(request)
        raise ConnectionResetError("the connection broke in the middle of a response") from None
    with suppress(ConnectionError):
        await response.write_eof()
    return response


def _forget_version(headers: CIMultiDict[str]) -> None:
    """Remove what identifies the body without the addition."""
    headers.popall("ETag", None)
    headers.popall("Last-Modified", None)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
