"""Changes, recorded in the audit log before they are forwarded and completed afterwards."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from common.errors import StoreError
from common.web.error_pages import error_response
from services.formgrader_proxy.proxy.request_body import Body
from services.formgrader_proxy.store.audit import Audit, Change

log = logging.getLogger("formgrader")

#: Actions whose field names are recorded, so that the audit log tells a score from a comment.
ACTIONS_WITH_FIELDS = frozenset({"grade", "comment"})

#: Sends the change to the formgrader; the argument is its body.
Forward = Callable[[Body | None], Awaitable[web.StreamResponse]]


async def forward_change(
    request: web.Request, change: Change, body: Body | None, audit: Audit, forward: Forward
) -> web.StreamResponse:
    """Record ``change``, forward it, and record the outcome.

    A change that cannot be recorded is not forwarded: the response is then 503. If only the status
    cannot be recorded, the entry stays without one.
    """
    if change.action in ACTIONS_WITH_FIELDS and body is not None:
        data = body.data
        change = replace(change, fields=field_names(data) if isinstance(data, bytes) else ())
    try:
        number = await audit.begin(change)
    except StoreError as error:
        log.error("%s; the change was not made", error)
        text = "The audit log is unavailable, so nothing was changed. Try again later."
        return error_response(request, 503, text, title="Not saved", saved=False)
    response = await forward(body)
    try:
        await audit.finish(number, response.status)
    except StoreError as error:
        log.error("entry %d of the audit log has no status: %s", number, error)
    return response


def field_names(body: bytes) -> tuple[str, ...]:
    """The names of a JSON object's fields, sorted; never a value.

    Only names that look like nbgrader's (identifiers up to 40 characters), and at most 20.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    names = value if isinstance(value, dict) else {}
    return tuple(sorted(name for name in names if name.isidentifier() and len(name) <= 40))[:20]
