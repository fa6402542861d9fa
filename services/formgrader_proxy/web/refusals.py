"""The responses to requests that are not forwarded, or whose response is not returned."""

from collections.abc import Sequence

from aiohttp import web

from common.web.error_pages import error_response
from services.formgrader_proxy.access import Refusal
from services.formgrader_proxy.allow_list import first_unaccepted
from services.formgrader_proxy.courses import Course
from services.formgrader_proxy.names import ACCEPTED, describe_fault

_WORDS = {
    Refusal.NOT_LISTED: (404, "nbgrader's formgrader has no such page."),
    Refusal.METHOD: (405, "This page does not support this kind of request."),
    Refusal.ROLE: (403, "Only an instructor of this course may do this."),
    Refusal.ARGUMENT: (
        400,
        "This page does not accept the arguments after the question mark in its address. Remove"
        " the question mark and everything after it.",
    ),
    Refusal.PRIVATE_FILE: (
        404,
        "Hidden files, gradebooks and configuration files of a submission cannot be opened here.",
    ),
    Refusal.WEBSOCKET: (400, "This page does not accept WebSockets."),
}
_ADVICE = (
    "If someone sent you a link to this page, it may be an attack: do not use it. If the course has"
    " such a name, rename the assignment, the notebook or the student; the section “Names” of the"
    " formgrader proxy's documentation explains how."
)


def refusal_page(request: web.Request, refusal: Refusal, segments: Sequence[str]) -> web.Response:
    """The response to a refused request for the path that consists of ``segments``."""
    if refusal is not Refusal.NAME:
        return error_response(request, *_WORDS[refusal])
    part = first_unaccepted("/".join(segments)) or ""
    text = f"{describe_fault(part)} {ACCEPTED} {_ADVICE}"
    return error_response(request, 400, text, title="This address contains an invalid name")


def unreachable_page(request: web.Request, course: Course) -> web.Response:
    """The response while the formgrader of the course cannot be reached."""
    text = "Its formgrader has stopped. Reload the page in a moment."
    if not course.managed:
        text = "Its formgrader does not respond. Ask the administrator of this course to check."
    title = f"{course.title} cannot be graded right now"
    return error_response(request, 502, text, title=title)


def unreachable_change(request: web.Request, course: Course, *, sent: bool) -> web.Response:
    """The response to a change that an external formgrader did not respond to.

    ``sent``: the formgrader may have received it. The JSON field ``saved`` is then null, otherwise
    false.
    """
    title = "It is not known whether this change was saved" if sent else "This change was not saved"
    text = f"The formgrader of {course.title} does not respond. Ask its administrator to check."
    return error_response(request, 502, text, title=title, saved=None if sent else False)


def redirect_page(request: web.Request, course: Course) -> web.Response:
    """The response if the formgrader redirects to an address outside the course."""
    text = (
        "Its formgrader tried to send you to an address outside this course. Ask the administrator"
        " of the course to check its formgrader."
    )
    return error_response(request, 502, text, title=f"{course.title} sent an invalid redirect")
