"""The page that is shown until a formgrader has started."""

from aiohttp import web

from common.oauth.request import wants_page
from common.web.application import PREFIX
from common.web.error_pages import error_response
from common.web.pages import render
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.supervisor import State

#: How long a start usually takes, for the progress bar.
USUAL_START_SECONDS = 8


def waiting_page(request: web.Request, formgrader: Formgrader) -> web.Response:
    """503 with ``Retry-After``, for a formgrader that is starting or will be restarted."""
    pool = formgrader.pool
    assert pool is not None  # noqa: S101 - an external formgrader is never waited for
    pausing = pool.state is State.PAUSING
    retry_after = max(1, round(pool.paused_for)) if pausing else 1
    headers = {"Retry-After": str(retry_after)}
    if request.method not in {"GET", "HEAD"} or not wants_page(request, request.app[PREFIX]):
        text = "The formgrader is starting. Try again in a moment."
        return error_response(request, 503, text, title="Not ready yet", headers=headers)
    return render(
        request,
        "formgrader_starting.html",
        status=503,
        headers=headers,
        course=formgrader.course,
        pausing=pausing,
        trouble=pool.trouble,
        retry_after=retry_after,
        elapsed=round(pool.starting_for),
        usual=USUAL_START_SECONDS,
    )
