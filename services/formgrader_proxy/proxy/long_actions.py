"""nbgrader's own buttons for long changes: each is a job with one request.

The browser gets nbgrader's response when the job has ended. A job does not end with the browser's
connection, and the same request is not made twice at the same time.
"""

import json
import logging
from collections.abc import Sequence

from aiohttp import web

from common.errors import StoreError
from common.web.error_pages import error_response
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.jobs.attempt import Outcome
from services.formgrader_proxy.jobs.jobs import JobRefused, Jobs, User
from services.formgrader_proxy.jobs.requests import wanted_by
from services.formgrader_proxy.jobs.send import Reply
from services.formgrader_proxy.store.job import State

log = logging.getLogger("formgrader")

_UNAVAILABLE = "The audit log is unavailable, so nothing was changed. Try again later."


async def run_as_job(
    request: web.Request, jobs: Jobs, course: Course, user: User, segments: Sequence[str]
) -> Reply | web.Response:
    """The formgrader's response to a long change, or that of this service if there is none."""
    try:
        job, outcome = await jobs.run(course.id, user, wanted_by(segments))
    except JobRefused as error:
        return error_response(request, 503, str(error), title="Not ready yet", saved=False)
    except StoreError as error:
        log.error("%s; the change was not made", error)
        return error_response(request, 503, _UNAVAILABLE, title="Not saved", saved=False)
    if outcome.reply is not None:
        return outcome.reply
    if outcome.not_sent is not None and not outcome.not_sent.recordable:
        return error_response(request, 503, _UNAVAILABLE, title="Not saved", saved=False)
    if outcome.state is State.CANCELLED:
        return _as_nbgrader(outcome)
    if outcome.state is State.INTERRUPTED:
        text = "The service was restarted. See the jobs of this course for what was done."
        return error_response(request, 503, text, title=f"Job {job.id} was interrupted", saved=None)
    sent = outcome.not_sent is None
    title = "It is not known whether this was done" if sent else "Nothing was changed"
    text = " ".join(outcome.lines)
    return error_response(request, 502, text, title=title, saved=None if sent else False)


def _as_nbgrader(outcome: Outcome) -> web.Response:
    """A failure in the form of nbgrader's own, which its pages show in a dialog."""
    body = json.dumps({"success": False, "error": "\n".join(outcome.lines), "log": ""})
    return web.Response(text=body, content_type="text/html")
