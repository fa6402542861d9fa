"""Sends requests of jobs to a formgrader."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from services.formgrader_proxy.upstream.endpoint import (
    Upstream,
    UpstreamUnreachable,
    Work,
    read_completely,
)
from services.formgrader_proxy.upstream.formgrader import Formgrader

T = TypeVar("T")

#: Seconds in which the list of an assignment's submissions has to arrive, once the formgrader runs.
LIST_SECONDS = 300.0
#: Seconds that a user waits for a formgrader to start before a job can be created.
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A formgrader's response to a request of a job."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class SubmissionsUnknown(Exception):
    """The submissions of an assignment cannot be listed. The text says why, for a user."""


class _Submission(msgspec.Struct):
    student: str
    autograded: bool = False


async def send(upstream: Upstream, base_url: str, segments: Sequence[str]) -> Reply:
    """Send a POST request with the service's own token and wait for the response, however long.

    :raises UpstreamUnreachable: there was no complete response
    """
    path = "/".join(quote(segment, safe="") for segment in segments)
    url = URL(f"{upstream.origin}{base_url}{path}", encoded=True)
    try:
        async with upstream.session.post(
            url, headers=upstream.authorization, allow_redirects=False
        ) as response:
            body = await read_completely(response)
            return Reply(response.status, response.headers, body)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise UpstreamUnreachable(type(error).__name__) from error


def decode_list(body: bytes, kind: type[T]) -> list[T]:
    """A list of nbgrader's, which may contain names of folders that are no UTF-8.

    Each byte that is none is a question mark then, which no name of nbgrader's may contain.

    :raises msgspec.MsgspecError: the body is something else
    """
    try:
        return msgspec.json.decode(body, type=list[kind])  # type: ignore[valid-type]
    except msgspec.DecodeError:
        try:
            text = json.dumps(json.loads(body), ensure_ascii=False)
        except (ValueError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from None
        return msgspec.json.decode(text.encode("utf-8", "replace"), type=list[kind])  # type: ignore[valid-type]


async def submissions_of(formgrader: Formgrader, assignment: str) -> dict[str, bool]:
    """The students who have submitted an assignment, sorted: whether their latest submission is
    autograded.

    :raises SubmissionsUnknown: the formgrader does not run or does not list them
    """
    try:
        upstream = await formgrader.until_ready(Work.PAGES, START_SECONDS)
        if upstream is None:
            raise SubmissionsUnknown("The formgrader is not running. Try again in a moment.")
        path = f"formgrader/api/submissions/{quote(assignment, safe='')}"
        with formgrader.in_use(upstream):
            async with upstream.session.get(
                URL(f"{upstream.origin}{formgrader.base_url}{path}", encoded=True),
                headers=upstream.authorization,
                timeout=aiohttp.ClientTimeout(total=LIST_SECONDS),
                allow_redirects=False,
            ) as response:
                if response.status == web.HTTPNotFound.status_code:
                    return {}
                body = await read_completely(response)
                found = decode_list(body, _Submission)
    except (UpstreamUnreachable, aiohttp.ClientError, OSError, TimeoutError) as error:
        text = "The formgrader does not respond. Try again in a moment."
        raise SubmissionsUnknown(text) from error
    except msgspec.MsgspecError as error:
        text = "The formgrader did not list the submissions of this assignment."
        raise SubmissionsUnknown(text) from error
    return {one.student: one.autograded for one in sorted(found, key=lambda one: one.student)}
