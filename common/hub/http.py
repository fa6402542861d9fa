"""Requests to a REST API with a token: time limit, retries, and an error for each kind of failure.

A request is repeated if a repeat may succeed: after a failed connection, an incomplete response,
or one of the statuses in :data:`~common.hub.retry.RETRIED`.

A request that is not safe to repeat, such as stopping a server, is only repeated if the server has
certainly not begun to process it (no connection, 429, 503), and only after a short wait.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import aiohttp
import msgspec
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from common.clock import Clock
from common.errors import (
    HubBadResponse,
    HubFailed,
    HubForbidden,
    HubNotFound,
    HubRejected,
    HubUnavailable,
    ProxyBadResponse,
    ProxyForbidden,
    ProxyRejected,
    ProxyUnavailable,
    RequestError,
)
from common.hub.clock import parse_http_date
from common.hub.connection import ConnectionBroken
from common.hub.retry import Retry, may_repeat, parse_retry_after

#: Larger than any real page: 1,000 users with ten servers each take about 5 MB.
MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class ErrorTypes:
    """The error class for each kind of failure of one API."""

    unavailable: type[RequestError]
    forbidden: type[RequestError]
    not_found: type[RequestError]
    rejected: type[RequestError]
    failed: type[RequestError]
    bad_response: type[RequestError]


HUB_ERRORS = ErrorTypes(
    HubUnavailable, HubForbidden, HubNotFound, HubRejected, HubFailed, HubBadResponse
)
PROXY_ERRORS = ErrorTypes(
    ProxyUnavailable,
    ProxyForbidden,
    ProxyRejected,
    ProxyRejected,
    ProxyUnavailable,
    ProxyBadResponse,
)


class Request(NamedTuple):
    """What to send. ``url`` is sent byte for byte, so that quoted names stay quoted.

    ``json`` is the body. ``repeatable`` is whether the request may be sent again although the
    server may already have processed it; None means yes for GET and no for all other methods. A
    response of more than ``most_bytes`` (None: MAX_BODY_BYTES) is an error.
    """

    method: str
    url: URL
    headers: Mapping[str, str] | None = None
    json: Any = None
    repeatable: bool | None = None
    most_bytes: int | None = None


class Response(NamedTuple):
    """A complete response. ``date`` is its ``Date`` header, None if missing or invalid.

    ``seconds`` is how long the last attempt took.
    """

    status: int
    body: bytes
    headers: CIMultiDictProxy[str]
    date: datetime | None = None
    seconds: float = 0.0


#: Called after each attempt with the status (None if there was no response) and the seconds taken.
OnAttempt = Callable[[int | None, float], None]


@dataclass(frozen=True)
class Api:
    """A REST API and the token for it. ``timeout_seconds`` applies to each attempt."""

    session: aiohttp.ClientSession
    token: str
    errors: ErrorTypes
    clock: Clock
    retry: Retry
    timeout_seconds: float = 60.0

    async def send(
        self,
        request: Request,
        *,
        retry: Retry | None = None,
        check: Callable[[bytes], Any] | None = None,
        on_attempt: OnAttempt | None = None,
    ) -> Response:
        """Send a request, retrying as described above; return the response (status below 300).

        Redirects are not followed, since they could send the token elsewhere. ``check`` is called
        with the body and raises ValueError if the body is invalid.

        :raises RequestError: of ``self.errors``, by kind of failure
        """
        retry = retry or self.retry
        method, url = request.method, str(request.url)
        repeatable = method == "GET" if request.repeatable is None else request.repeatable
        headers, data = self._encoded(request)
        failures = 0
        while True:
            started = self.clock.monotonic()
            status: int | None = None
            retry_after: float | None = None
            try:
                response = await self._attempt(request, headers, data)
                status = response.status
                if status < 300:
                    if check is not None:
                        check(response.body)
                    return response
                retry_after = parse_retry_after(response.headers.get("Retry-After"), response.date)
                error = _error_of(self.errors, status, method, url)
                error.retry_after = retry_after
                may = may_repeat(status, repeatable=repeatable)
            except aiohttp.ClientConnectorError as problem:
                reason = problem.os_error.strerror or type(problem.os_error).__name__
                error = self.errors.unavailable(f"cannot connect: {reason}", method=method, url=url)
                may = True
            except (aiohttp.ClientError, OSError, TimeoutError) as problem:
                reason = f"incomplete response: {_reason(problem)}"
                error = self.errors.unavailable(reason, method=method, url=url)
                may = repeatable
            except (ValueError, RecursionError) as problem:
                reason = f"unexpected response: {problem}"
                error = self.errors.bad_response(reason, method=method, url=url, status=status)
                may = repeatable
            finally:
                if on_attempt is not None:
                    on_attempt(status, self.clock.monotonic() - started)
            failures += 1
            wait = retry.wait_after(failures, retry_after)
            if not may or retry.gives_up(failures, wait, repeatable=repeatable):
                raise error
            await self.clock.sleep(wait)

    def _encoded(self, request: Request) -> tuple[CIMultiDict[str], bytes | None]:
        headers = CIMultiDict({"Authorization": f"token {self.token}"})
        if request.headers is not None:
            headers.update(request.headers)
        if request.json is None:
            return headers, None
        headers["Content-Type"] = "application/json"
        return headers, msgspec.json.encode(request.json)

    async def _attempt(
        self, request: Request, headers: CIMultiDict[str], data: bytes | None
    ) -> Response:
        started = self.clock.monotonic()
        async with self.session.request(
            request.method,
            request.url,
            headers=headers,
            data=data,
            timeout=_timeout(self.timeout_seconds),
            allow_redirects=False,
        ) as response:
            body = await _body(response, request.most_bytes or MAX_BODY_BYTES)
            seconds = self.clock.monotonic() - started
            date = parse_http_date(response.headers.get("Date"))
            return Response(response.status, body, response.headers, date, seconds)


class _TooLarge(aiohttp.ClientError):
    """The body exceeds the limit."""


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body. :raises _TooLarge: without reading more than about ``limit`` bytes"""
    content = response.content
    if content.is_eof():  # it arrived with the header, like every response to a stop
        body = content.read_nowait()
        if len(body) > limit:
            raise _TooLarge(f"a body of more than {limit} bytes")
        return body
    if (response.content_length or 0) > limit:
        raise _TooLarge(f"a body of {response.content_length} bytes")
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        size += len(chunk)
        if size > limit:
            raise _TooLarge(f"a body of more than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


@lru_cache(maxsize=32)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds)


def _reason(problem: Exception) -> str:
    """The reason without anything that a server wrote, which might be the token."""
    if isinstance(problem, _TooLarge | ConnectionBroken):
        return str(problem)
    return type(problem).__name__


def _error_of(errors: ErrorTypes, status: int, method: str, url: str) -> RequestError:
    if status in {401, 403}:
        kind, word = errors.forbidden, "the token is invalid or lacks a scope"
    elif status == 404:
        kind, word = errors.not_found, "not found"
    elif status == 429 or status in {502, 503, 504}:
        kind, word = errors.unavailable, "temporarily unavailable"
    elif status >= 500:
        kind, word = errors.failed, "failed"
    elif status >= 400:
        kind, word = errors.rejected, "rejected"
    else:
        kind, word = errors.bad_response, "unexpected redirect"
    return kind(f"{word}: status {status}", method=method, url=url, status=status)
