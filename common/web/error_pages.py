"""One place that turns errors into answers: a page for a person, JSON for a program.

What the client gets never holds a traceback, a token or a word of an unexpected error: only
an id, with which the log tells the rest.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from common.errors import HubForbidden, HubUnavailable, RequestError
from common.oauth.request import wants_page
from common.web.pages import PAGES, render
from common.web.security_headers import BEGAN

log = logging.getLogger("common.web.application")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_TITLES = {
    400: "This request makes no sense to us",
    401: "Please sign in",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This cannot be done here",
    409: "Something else came first",
    413: "This is too large",
    429: "Too many requests",
    500: "Something broke on our side",
    502: "The Hub answered with an error",
    503: "The Hub is not there right now",
    504: "The answer took too long",
}
_TEXTS = {
    404: "The address may be mistyped, or what was here is gone.",
    405: "The page is there, but not for this kind of request.",
    413: "Send less at once.",
}


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors; what an already begun answer runs into can only be logged."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or request.get(BEGAN):
            raise
        return _http_error(request, error)
    except RequestError as error:
        if request.get(BEGAN):
            raise
        return _upstream_error(request, error)
    except ConnectionResetError:
        raise  # the client went away
    except Exception:
        mark = secrets.token_hex(4)
        log.exception("error %s at %s %s", mark, request.method, request.path)
        if request.get(BEGAN):
            raise
        text = f"It has been noted. If you report it, give the number {mark}."
        return answer(request, 500, text, error_id=mark)


def answer(
    request: web.Request,
    status: int,
    text: str = "",
    *,
    title: str = "",
    headers: dict[str, str] | None = None,
    **more: object,
) -> web.Response:
    """An error as the client likes it: page or JSON ``{"status", "message", ...}``."""
    title = title or _TITLES.get(status, "This did not work")
    text = text or _TEXTS.get(status, "")
    prefix = request.app[PAGES].prefix
    if not wants_page(request, prefix):
        body = {"status": status, "message": f"{title}. {text}".strip(), **more}
        return web.json_response(body, status=status, headers=headers)
    return render(
        request, "error.html", status=status, headers=headers, code=status, title=title, text=text
    )


def _http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    # aiohttp's own text is "404: Not Found"; only words of ours are shown.
    own = error.text if error.text and not error.text.startswith(f"{error.status}:") else ""
    keep = ("Allow", "Retry-After", "WWW-Authenticate", "Location")
    headers = {name: error.headers[name] for name in keep if name in error.headers}
    return answer(request, error.status, own, headers=headers)


def _upstream_error(request: web.Request, error: RequestError) -> web.Response:
    mark = secrets.token_hex(4)
    log.warning("error %s at %s %s: %s", mark, request.method, request.path, error)
    if isinstance(error, HubUnavailable):
        text = "You are still signed in. Try again in a moment."
        return answer(request, 503, text, headers={"Retry-After": "5"}, error_id=mark)
    if isinstance(error, HubForbidden):
        # Our own token is bad: nothing the person at the browser could mend.
        text = f"This service may not ask the Hub. Tell the administrators the number {mark}."
        return answer(request, 500, text, error_id=mark)
    text = f"Try again; if it stays, tell the administrators the number {mark}."
    return answer(request, 502, text, error_id=mark)
