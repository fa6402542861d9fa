"""One request, with a token, a time limit and retries, and errors by kind.

A retry is worth it where the other side may answer next time: no connection, a broken
answer, or one of :data:`~common.hub.retry.RETRIED`.

Only a request that may safely come twice is sent again. Another one, a stop say, only where
the other side has surely not begun it (no connection, 429, 503) and soon: after a longer
pause it may no longer be right, which only its sender can tell.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple

import aiohttp
import msgspec
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from common.clock import Clock, as_utc
from common.errors import (
    HubBadAnswer,
    HubFailed,
    HubForbidden,
    HubNotFound,
    HubRejected,
    HubUnavailable,
    ProxyBadAnswer,
    ProxyForbidden,
    ProxyRejected,
    ProxyUnavailable,
    RequestError,
)
from common.hub.connection import TLSFiles, client_session, plain_url
from common.hub.retry import NO_RETRY, NOT_BEGUN, RETRIED, Retry

#: What is needed to speak to a peer stands here, wherever it is made.
__all__ = [
    "HUB",
    "NOT_BEGUN",
    "NO_RETRY",
    "PROXY",
    "Answer",
    "Family",
    "Observer",
    "Retry",
    "TLSFiles",
    "client_session",
    "plain_url",
    "request",
]

#: More than any honest page: 1,000 users with ten servers each take some 5 MB.
MAX_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Family:
    """The errors of one peer, by what happened."""

    unavailable: type[RequestError]
    forbidden: type[RequestError]
    not_found: type[RequestError]
    rejected: type[RequestError]
    failed: type[RequestError]
    bad_answer: type[RequestError]


HUB = Family(HubUnavailable, HubForbidden, HubNotFound, HubRejected, HubFailed, HubBadAnswer)
PROXY = Family(
    ProxyUnavailable,
    ProxyForbidden,
    ProxyRejected,
    ProxyRejected,
    ProxyUnavailable,
    ProxyBadAnswer,
)


class Answer(NamedTuple):
    """A whole answer. ``hub_time`` is its ``Date``, None where there is no usable one.

    ``seconds`` is how long it took, the repeats before it not counted.
    """

    status: int
    body: bytes
    headers: CIMultiDictProxy[str]
    hub_time: datetime | None = None
    seconds: float = 0.0


#: Told of every attempt: status (None where no answer came) and seconds.
Observer = Callable[[int | None, float], None]


async def request(
    session: aiohttp.ClientSession,
    method: str,
    url: str | URL,
    *,
    token: str,
    family: Family,
    clock: Clock,
    retry: Retry,
    timeout_seconds: float = 60.0,
    headers: dict[str, str] | None = None,
    json: Any = None,
    repeatable: bool | None = None,
    expect: Callable[[bytes], Any] | None = None,
    observe: Observer | None = None,
) -> Answer:
    """Send, wait, retry where it is worth it, and return the answer of status below 400.

    ``url`` is sent byte for byte, so that no quoted name is read anew. Redirects are not
    followed: they would carry the token away. ``repeatable`` (default: for GET) allows
    sending again what may already have been done. ``expect`` tries the body, and a
    ValueError from it counts as a broken answer. ``timeout_seconds`` holds for one attempt.

    :raises RequestError: of the family, by what happened
    """
    sent = CIMultiDict({"Authorization": f"token {token}"})
    if headers is not None:
        sent.update(headers)
    data = None
    if json is not None:
        data = msgspec.json.encode(json)
        sent["Content-Type"] = "application/json"
    exact = URL(url, encoded=True) if isinstance(url, str) else url
    again = method == "GET" if repeatable is None else repeatable
    failures = 0
    while True:
        started = clock.monotonic()
        status: int | None = None
        retry_after: float | None = None
        try:
            answer = await _attempt(session, method, exact, sent, data, timeout_seconds, clock)
            status = answer.status
            if status < 300:
                if expect is not None:
                    expect(answer.body)
                return answer
            retry_after = _retry_after(answer)
            error = _error_of(family, answer, method, str(url))
            error.retry_after = retry_after
            worth = status in NOT_BEGUN or (again and status in RETRIED)
        except aiohttp.ClientConnectorError as problem:
            error = family.unavailable(_cannot_connect(problem), method=method, url=str(url))
            worth = True
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            what = str(problem) if isinstance(problem, _TooLarge) else type(problem).__name__
            error = family.unavailable(f"no whole answer: {what}", method=method, url=str(url))
            worth = again
        except (ValueError, RecursionError) as problem:
            reason = f"not the expected answer: {problem}"
            error = family.bad_answer(reason, method=method, url=str(url), status=status)
            worth = again
        finally:
            if observe is not None:
                observe(status, clock.monotonic() - started)
        failures += 1
        pause = retry.pause(failures, retry_after)
        if not worth or failures >= retry.attempts or not (again or pause <= retry.unsafe_seconds):
            raise error
        await clock.sleep(pause)


class _TooLarge(aiohttp.ClientError):
    """The body is larger than any that the peer sends."""


async def _attempt(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    headers: CIMultiDict[str],
    data: bytes | None,
    timeout_seconds: float,
    clock: Clock,
) -> Answer:
    started = clock.monotonic()
    async with session.request(
        method,
        url,
        headers=headers,
        data=data,
        timeout=_timeout(timeout_seconds),
        allow_redirects=False,
    ) as response:
        body = await _body(response)
        told = response.headers
        took = clock.monotonic() - started
        return Answer(response.status, body, told, _date(told.get("Date")), took)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The whole body. :raises _TooLarge: before more than MAX_BODY_BYTES are taken"""
    content = response.content
    if content.is_eof():  # it came with its head, as that of every stop does
        body = content.read_nowait()
        if len(body) > MAX_BODY_BYTES:
            raise _TooLarge(f"a body of more than {MAX_BODY_BYTES} bytes")
        return body
    if (response.content_length or 0) > MAX_BODY_BYTES:
        raise _TooLarge(f"a body of {response.content_length} bytes")
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise _TooLarge(f"a body of more than {MAX_BODY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


@lru_cache(maxsize=32)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds)


def _error_of(family: Family, answer: Answer, method: str, url: str) -> RequestError:
    status = answer.status
    if status in {401, 403}:
        kind, word = family.forbidden, "our token is not accepted, or lacks a scope"
    elif status == 404:
        kind, word = family.not_found, "not found"
    elif status == 429 or status in {502, 503, 504}:
        kind, word = family.unavailable, "not available now"
    elif status >= 500:
        kind, word = family.failed, "failed"
    elif status >= 400:
        kind, word = family.rejected, "refused"
    else:
        kind, word = family.bad_answer, "a redirect, which is not followed"
    return kind(f"{word}: status {status}", method=method, url=url, status=status)


def _cannot_connect(problem: aiohttp.ClientConnectorError) -> str:
    reason = problem.os_error.strerror or type(problem.os_error).__name__
    return f"cannot connect: {reason}"


def _retry_after(answer: Answer) -> float | None:
    """Seconds that the answer asks us to wait (RFC 9110 10.2.3: seconds or a date)."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    moment = _date(value)
    if moment is None or answer.hub_time is None:
        return None
    return max(0.0, (moment - answer.hub_time).total_seconds())


@lru_cache(maxsize=32)  # a busy Hub sends the same second many times
def _date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        return as_utc(parsedate_to_datetime(value))
    except (ValueError, OverflowError, TypeError):
        return None
