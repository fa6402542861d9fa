"""The errors of nbgrader's API, as JSON with a sentence for the user.

nbgrader answers with a page for any error, which its scripts discard: a list then says "Loading"
for ever.
"""

import errno
import json
from typing import Any

from nbgrader.server_extensions.formgrader.base import BaseApiHandler
from tornado.web import HTTPError

from services.formgrader_proxy.course_check.gradebook.failures import describe_failure
from services.formgrader_proxy.gradebook.conflicts import Conflict

_FULL = (
    "The disk of the course is full, so nothing can be saved. An administrator has to free space."
)
_UNKNOWN = "The formgrader failed. An administrator finds the reason in the formgrader's log."
_STATUSES = {403: "You may not do this.", 404: "This does not exist, or no longer."}


class ApiErrors:
    """Mixed into a handler of nbgrader's API."""

    def write_error(self, status_code: int, **options: Any) -> None:
        """Send ``{"message": ...}``, and with a conflict what is stored as ``current``."""
        error = options.get("exc_info", (None, None, None))[1]
        handler: Any = self
        handler.set_header("Content-Type", "application/json")
        answer: dict[str, Any] = {"message": message_for(status_code, error)}
        if isinstance(error, Conflict):
            answer["current"] = error.current
        handler.finish(json.dumps(answer))


def message_for(status: int, error: BaseException | None) -> str:
    """The sentence for an error. Never contains parts of the database's address."""
    if isinstance(error, HTTPError):
        return error.log_message or _STATUSES.get(status, _UNKNOWN)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _FULL
    found = describe_failure(error) if error is not None else None
    return found or _STATUSES.get(status, _UNKNOWN)


def is_api(handler: type) -> bool:
    """Whether these errors are for this handler."""
    return issubclass(handler, BaseApiHandler)
