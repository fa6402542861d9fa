"""Responses to the errors that questions about the statistics can raise."""

import logging

from aiohttp import web

from common.errors import ServiceError, StoreUnavailable
from common.web import error_pages
from services.stats.query.access import OutOfScope
from services.stats.query.question import InvalidQuery

log = logging.getLogger("stats")


class DataNotFound(ServiceError):
    """There is no such data, or none that the viewer may see."""


def add_query_errors(app: web.Application) -> None:
    """Add the middleware, once."""
    if query_errors not in app.middlewares:
        app.middlewares.append(query_errors)


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + "."


def _database_unavailable(request: web.Request, error: StoreUnavailable) -> web.Response:
    # The details are for administrators; they go to the log only.
    log.warning("%s", error)
    return error_pages.database_unavailable(request)


#: 400 for an invalid query, 403 out of scope, 404 without data, 503 without a database.
query_errors = error_pages.expected_errors(
    {
        InvalidQuery: lambda request, error: error_pages.invalid_input(request, error.problems),
        OutOfScope: lambda request, error: error_pages.error_response(
            request, 403, _sentence(error)
        ),
        DataNotFound: lambda request, error: error_pages.error_response(
            request, 404, _sentence(error)
        ),
        StoreUnavailable: _database_unavailable,
    }
)
