"""The response to a change that was not made, or of which that is unknown."""

from aiohttp import web

from common.web.error_pages import error_response
from services.formgrader_proxy.metrics import Held

#: Seconds after which a browser may send the change again.
RETRY_AFTER = 5


class NotSaved(Exception):
    """A change was not made, or it is unknown whether it was. The text says why."""

    def __init__(self, outcome: Held, text: str) -> None:
        self.outcome = outcome
        super().__init__(text)

    def response(self, request: web.Request) -> web.Response:
        """503, or 502 if the outcome is unknown.

        In JSON, the field ``saved`` is false or null, so that a script knows whether it may repeat
        a change that must not be made twice.
        """
        if self.outcome is Held.UNKNOWN:
            title, status, saved = "It is not known whether this change was saved", 502, None
        else:
            title, status, saved = "This change was not saved", 503, False
        headers = {"Retry-After": str(RETRY_AFTER)}
        return error_response(request, status, str(self), title=title, headers=headers, saved=saved)
