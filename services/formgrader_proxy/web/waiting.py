"""The page that is shown until a formgrader has started."""

from aiohttp import web

from common.oauth.request import wants_page
from common.web.application import PREFIX
from common.web.error_pages import error_response
from common.web.pages import render
from services.formgrader_proxy.access import Role
from services.formgrader_proxy.upstream.formgrader import Formgrader
from services.formgrader_proxy.upstream.supervisor import State
from services.formgrader_proxy.web.trouble import sentence, trouble_of

#: How long a start usually takes, for the progress bar.
USUAL_START_SECONDS = 8
#: Seconds between two looks at the page of a broken course.
LOOK_SECONDS = 3


def waiting_page(request: web.Request, formgrader: Formgrader, role: Role) -> web.Response:
    """503 with ``Retry-After``, for a formgrader that is starting or will be restarted.

    A course that is broken is checked again as soon as its files change, so its page refreshes
    every few seconds.
    """
    pool = formgrader.pool
    assert pool is not None  # noqa: S101 - an external formgrader is never waited for
    pausing = pool.state is State.PAUSING
    next_start = max(1, round(pool.paused_for)) if pausing else 1
    broken = pool.finding is not None
    retry_after = min(next_start, LOOK_SECONDS) if broken else next_start
    trouble = sentence(trouble_of(formgrader, role))
    headers = {"Retry-After": str(retry_after)}
    if request.method not in {"GET", "HEAD"} or not wants_page(request, request.app[PREFIX]):
        text = trouble if broken else "The formgrader is starting. Try again in a moment."
        return error_response(request, 503, text, title="Not ready yet", headers=headers)
    return render(
        request,
        "formgrader_starting.html",
        status=503,
        headers=headers,
        course=formgrader.course,
        pausing=pausing,
        broken=broken,
        trouble=trouble,
        retry_after=retry_after,
        next_start=next_start,
        elapsed=round(pool.starting_for),
        usual=USUAL_START_SECONDS,
    )
