"""Responses to the errors that questions about the statistics can raise."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from common.errors import ServiceError, StoreUnavailable
from common.web import error_pages
from services.stats.query.access import OutOfScope
from services.stats.query.question import InvalidQuery

log = logging.getLogger("stats")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DataNotFound(ServiceError):
    """There is no such data, or none that the viewer may see."""


def add_query_errors(app: web.Application) -> None:
    """Add the middleware, once."""
    if query_errors not in app.middlewares:
        app.middlewares.append(query_errors)


@web.middleware
async def query_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """400 for an invalid query, 403 out of scope, 404 without data, 503 without a database."""
    try:
        return await handler(request)
    except InvalidQuery as error:
        return error_pages.error_response(
            request,
            400,
            " ".join(error.problems),
            title="Invalid request",
            problems=list(error.problems),
        )
    except OutOfScope as error:
        raise web.HTTPForbidden(text=_sentence(error)) from None
    except DataNotFound as error:
        raise web.HTTPNotFound(text=_sentence(error)) from None
    except StoreUnavailable as error:
        # The details are for administrators; they go to the log only.
        log.warning("%s", error)
        return error_pages.error_response(
            request,
            503,
            "Try again in a moment.",
            title="The database is unavailable",
            headers={"Retry-After": "5"},
        )


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + "."
