"""Errors as pages or JSON, by kind, and never with a secret."""

import io
import json
import logging

import aiohttp
import pytest
from aiohttp import web

from common import logs
from common.errors import HubFailed, HubForbidden, HubUnavailable, RequestError
from common.web import error_pages
from tests.common.web.service import BROWSER, PREFIX, PROGRAM, raising, running


async def test_error_as_page_and_as_json() -> None:
    """A browser gets a page and a program JSON, with the same text."""
    async with running() as service:
        status, text, headers = await service.get(PREFIX + "nothing", BROWSER)
        assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "Not found" in text
        status, text, headers = await service.get(PREFIX + "nothing", PROGRAM)
        assert (status, headers["Content-Type"]) == (404, "application/json; charset=utf-8")
        assert "Not found" in text


async def test_api_errors_are_always_json() -> None:
    """Below api/, browsers get JSON, too."""
    async with running() as service:
        _, _, headers = await service.get(PREFIX + "api/nothing", BROWSER)
        assert headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("client", [BROWSER, PROGRAM])
async def test_internal_error(client: dict[str, str]) -> None:
    """An unexpected error is logged in full; the response has only a number to find it by."""
    stream = io.StringIO()
    logs.configure(to=stream)
    handler = raising(RuntimeError("secret inside"))
    async with running({"x": handler}) as service:
        status, text, _ = await service.get(PREFIX + "x", client)
    logs.configure(level=logging.WARNING)
    assert status == 500
    assert "secret" not in text
    assert "Traceback" not in text
    assert "RuntimeError" not in text
    log = stream.getvalue()
    assert "RuntimeError: secret inside" in log
    error_id = log.partition("error ")[2][:8]
    assert error_id in text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HubUnavailable("no answer", method="GET", url="http://hub/users?x=SECRET"), 503),
        (HubForbidden("bad token", url="http://hub/users", status=403), 500),
        (HubFailed("broke", status=500), 502),
        (RequestError("else"), 502),
        (web.HTTPConflict(text="Another change came first."), 409),
        (web.HTTPTooManyRequests(), 429),
    ],
)
async def test_errors_by_kind(error: Exception, status: int) -> None:
    """A Hub that is down is 503, a bad service token 500, another response of the Hub 502."""
    async with running({"x": raising(error)}) as service:
        for client in (BROWSER, PROGRAM):
            got, text, _ = await service.get(PREFIX + "x", client)
            assert got == status
            assert "SECRET" not in text
            assert "http://hub" not in text


async def test_text_of_an_error_is_escaped() -> None:
    """The text of a handler's error is shown as text, never as HTML."""
    handler = raising(web.HTTPConflict(text="<script>alert(1)</script>"))
    async with running({"x": handler}) as service:
        _, text, _ = await service.get(PREFIX + "x", BROWSER)
        assert "&lt;script&gt;" in text
        assert "<script" not in text


async def test_method_not_allowed_names_the_methods() -> None:
    """A wrong method is 405, and Allow lists the right ones."""
    async with running() as service:
        status, _, headers = await service.get(PREFIX + "health", method="POST")
        assert status == 405
        assert "GET" in headers["Allow"]


async def test_body_too_large() -> None:
    """A body above the limit is 413."""

    async def read(request: web.Request) -> web.Response:
        await request.post()
        return web.Response()

    async with running({"x": read}, client_max_size=1000) as service:
        status, _, _ = await service.get(PREFIX + "x", method="POST", data={"field": "x" * 2000})
        assert status == 413


async def test_error_after_the_response_started() -> None:
    """An error in the middle of a response ends it: no error page is written into it."""

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        raise RuntimeError("broke")

    async with running({"x": half}) as service:
        with pytest.raises(aiohttp.ClientError):
            await service.get(PREFIX + "x")
        assert (await service.get(PREFIX + "health"))[0] == 200


async def test_try_again_leads_to_the_same_page() -> None:
    """The page of a temporary error links to the same URL, and never to another host."""
    handler = raising(HubUnavailable("no answer"))
    async with running({"{rest:.*}": handler}) as service:
        _, text, _ = await service.get(PREFIX + "a%3Fb?x=1&y=2", BROWSER)
        assert f'href="{PREFIX}a%3Fb?x=1&amp;y=2"' in text
        _, text, _ = await service.get(PREFIX + "/evil.example", BROWSER)
        assert "evil.example" not in text


@pytest.mark.parametrize("path", ["%", "%ff", "a%00b", "..%2f..", "%2e%2e/x", "😀", "'\"<x>"])
async def test_malformed_paths(path: str) -> None:
    """Any malformed path gets a 4xx page that shows none of it unescaped."""
    async with running() as service:
        status, text, _ = await service.get(PREFIX + path, BROWSER)
        assert 400 <= status < 500
        assert "<x>" not in text


class Busy(Exception):
    """An error that a service raises on purpose."""


class VeryBusy(Busy):
    """A kind of it."""


def service_errors(app: web.Application) -> None:
    """Add responses to errors of this test's service."""
    middleware = error_pages.expected_errors(
        {
            Busy: lambda request, error: error_pages.error_response(request, 409, str(error)),
            KeyError: lambda request, error: error_pages.database_unavailable(request),
            ValueError: lambda request, error: error_pages.invalid_input(request, error.args),
        }
    )
    app.middlewares.append(middleware)


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        pytest.param(Busy("Come back later."), 409, "Come back later.", id="class"),
        pytest.param(VeryBusy("Come back later."), 409, "Come back later.", id="subclass"),
        pytest.param(KeyError("secret"), 503, "The database is not available", id="database"),
        pytest.param(ValueError("a: missing."), 400, "Invalid request", id="input"),
        pytest.param(web.HTTPGone(text="It is gone."), 410, "It is gone.", id="http-error"),
        pytest.param(RuntimeError("secret"), 500, "Internal error", id="unexpected"),
    ],
)
async def test_expected_errors(error: Exception, status: int, text: str) -> None:
    """A service's own errors get their own responses; all others get the usual ones."""
    async with running({"x": raising(error)}, service_errors) as service:
        for client in (BROWSER, PROGRAM):
            got, body, _ = await service.get(PREFIX + "x", client)
            assert got == status
            assert text in body
            assert "secret" not in body


async def test_invalid_input_lists_every_problem() -> None:
    """Programs get the problems as a list, browsers as one text."""
    handler = raising(ValueError("a: missing.", "b: too large."))
    async with running({"x": handler}, service_errors) as service:
        _, text, _ = await service.get(PREFIX + "x", PROGRAM)
        assert json.loads(text)["problems"] == ["a: missing.", "b: too large."]
        _, text, _ = await service.get(PREFIX + "x", BROWSER)
        assert "a: missing. b: too large." in text


async def test_unavailable_database_says_when_to_retry() -> None:
    """The response while the database is unavailable has a Retry-After header."""
    async with running({"x": raising(KeyError())}, service_errors) as service:
        _, _, headers = await service.get(PREFIX + "x")
        assert headers["Retry-After"] == "5"
