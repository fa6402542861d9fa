"""The one place that turns errors into responses: a page for a browser, JSON for a program.

A response never contains a traceback, a token or the text of an unexpected error, only an id that
leads to the full error in the log.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from common.errors import HubForbidden, HubUnavailable, RequestError
from common.oauth.request import wants_page
from common.web.pages import PAGES, render

log = logging.getLogger("web")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: Makes the response to an expected error: request, error, response.
ErrorResponse = Callable[[web.Request, Any], web.StreamResponse]

_TITLES = {
    400: "Invalid request",
    401: "Sign in first",
    403: "Access denied",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Request too large",
    429: "Too many requests",
    500: "Internal error",
    502: "Unexpected response from the Hub",
    503: "The Hub is not available",
    504: "The response took too long",
}
_TEXTS = {
    404: "The address may be mistyped, or the page may have been removed.",
    405: "This page does not support this kind of request.",
    413: "Send less data at once.",
}
#: The only headers of an exception that a response keeps.
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate", "Location")

_STARTED: web.RequestKey[bool] = web.RequestKey("response_started", bool)


async def mark_started(request: web.Request, _response: web.StreamResponse) -> None:
    """Note that the response has started, so no error page can follow (a signal handler)."""
    request[_STARTED] = True


@web.middleware
async def respond_to_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond to every error. An error after the response has started can only be logged."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or request.get(_STARTED):
            raise
        return _http_error(request, error)
    except RequestError as error:
        if request.get(_STARTED):
            raise
        return _hub_error(request, error)
    except ConnectionResetError:
        raise  # the client is gone
    except Exception:
        error_id = secrets.token_hex(4)
        log.exception("error %s: %s %s", error_id, request.method, request.path)
        if request.get(_STARTED):
            raise
        text = f"The error was logged. If you report it, include the number {error_id}."
        return error_response(request, 500, text, error_id=error_id)


def expected_errors(responses: Mapping[type[Exception], ErrorResponse]) -> Middleware:
    """A middleware for the errors that a service raises on purpose.

    ``responses`` maps each class of errors to its response; subclasses are included, and the first
    match counts. All other errors reach :func:`respond_to_errors`.
    """
    classes = tuple(responses)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except classes as error:
            make = next(made for kind, made in responses.items() if isinstance(error, kind))
            return make(request, error)

    return middleware


def error_response(
    request: web.Request,
    status: int,
    text: str = "",
    *,
    title: str = "",
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> web.Response:
    """A page, or JSON ``{"status", "message"}`` with the fields in ``more``, as the client wants.

    ``title`` and ``text`` default to those of the status.
    """
    title = title or _TITLES.get(status, "The request failed")
    text = text or _TEXTS.get(status, "")
    if not wants_page(request, request.app[PAGES].prefix):
        body = {"status": status, "message": f"{title}. {text}".strip(), **more}
        return web.json_response(body, status=status, headers=headers)
    return render(
        request, "error.html", status=status, headers=headers, code=status, title=title, text=text
    )


def invalid_input(
    request: web.Request, problems: Sequence[str], *, separator: str = " "
) -> web.Response:
    """400 with every problem of a form, a query or a JSON body."""
    return error_response(request, 400, separator.join(problems), problems=list(problems))


def database_unavailable(request: web.Request) -> web.Response:
    """503 while the database is unavailable. The log says why; a user need not know."""
    return error_response(
        request,
        503,
        "Try again in a moment.",
        title="The database is not available",
        headers={"Retry-After": "5"},
    )


def _http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    # aiohttp's default text ("404: Not Found") is replaced by that of the status.
    text = error.text if error.text and not error.text.startswith(f"{error.status}:") else ""
    headers = {name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
    return error_response(request, error.status, text, headers=headers)


def _hub_error(request: web.Request, error: RequestError) -> web.Response:
    error_id = secrets.token_hex(4)
    log.warning("error %s: %s %s: %s", error_id, request.method, request.path, error)
    if isinstance(error, HubUnavailable):
        text = "You are still signed in. Try again in a moment."
        return error_response(request, 503, text, headers={"Retry-After": "5"}, error_id=error_id)
    report = f"report the number {error_id} to an administrator."
    if isinstance(error, HubForbidden):  # the service's own token is bad
        text = f"The Hub does not accept this service's token. Please {report}"
        return error_response(request, 500, text, error_id=error_id)
    return error_response(
        request, 502, f"Try again. If the problem persists, {report}", error_id=error_id
    )
