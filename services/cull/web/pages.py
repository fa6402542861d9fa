"""What the culler's pages share: the menu, the template filters and the error responses."""

import logging
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from common.errors import StoreError
from common.web import error_pages
from common.web.application import PREFIX
from common.web.pages import PAGES, add_templates
from common.web.pages import render as render_page
from services.cull.passes.listing.foreign_stops import in_words
from services.cull.policy.reasons import as_sentence
from services.cull.store.records import ExtensionRefused
from services.cull.web.access import AccessDenied, Viewer, Viewers
from services.cull.web.api.views import utc
from services.cull.web.culler_state import CullerState
from services.cull.web.forms import InvalidInput
from services.cull.web.keep_running import ServerNotRunning

log = logging.getLogger("cull")

_ADMIN_MENU = (
    ("All servers", "servers"),
    ("Holds", "holds"),
    ("History", "history"),
    ("Rules", "rules"),
)
#: The Hub's names for what a server is doing, in words.
_STATES = {"spawn": "starting", "stop": "stopping", "check": "being checked"}


class PageHandlers:
    """The base of the handlers of pages."""

    def __init__(self, viewers: Viewers, state: CullerState) -> None:
        self.viewers = viewers
        self.state = state

    def render(
        self,
        request: web.Request,
        viewer: Viewer,
        template: str,
        *,
        status: int = 200,
        **context: Any,
    ) -> web.Response:
        """Respond with a page and the viewer's menu."""
        menu = [("Your servers", ""), *(_ADMIN_MENU if viewer.admin else ())]
        nav = [(label, request.app[PREFIX] + path) for label, path in menu]
        context |= {"now": self.state.now(), "warnings": self._warnings() if viewer.admin else ()}
        return render_page(request, template, status=status, nav=nav, **context)

    def _warnings(self) -> list[str]:
        """What an administrator should know on every page."""
        found = []
        if problems := self.state.policy_problems:
            refused = "The policy file is refused; the last valid policy stays in force: "
            found.append(refused + "; ".join(problems))
        if self.state.unreported:
            found.append(
                "No server has reported any activity to the Hub for 20 minutes, so no server is"
                " stopped for being idle. Check that servers reach the Hub's API."
            )
        if stopped := self.state.foreign_stops:
            found.append(in_words(stopped))
        return found

    def url(self, request: web.Request, path: str, /, **query: Any) -> URL:
        """The address of another page of the service."""
        tail = f"?{urlencode(query)}" if query else ""
        return URL(f"{request.app[PREFIX]}{path}{tail}", encoded=True)


def setup_templates(app: web.Application) -> None:
    """Make the culler's templates, static files and filters available in ``app``."""
    add_templates(app, "services.cull.web", "cull")
    app[PAGES].environment.filters.update(
        utc=utc,
        time_from_now=time_from_now,
        state_in_words=state_in_words,
        as_sentence=as_sentence,
        query_string=urlencode,
    )


def _extension_refused(request: web.Request, error: ExtensionRefused) -> web.Response:
    return error_pages.error_response(
        request,
        409,
        as_sentence(str(error)),
        title="Extension not possible",
        again_at=utc(error.again_at) if error.again_at else None,
    )


def _database_unavailable(request: web.Request, error: StoreError) -> web.Response:
    # The log names the database; visitors do not need to know it.
    log.warning("%s", error)
    return error_pages.database_unavailable(request)


#: Turns the errors that the culler raises deliberately into responses.
respond_to_cull_errors = error_pages.expected_errors(
    {
        InvalidInput: lambda request, error: error_pages.invalid_input(
            request, error.problems, separator="; "
        ),
        AccessDenied: lambda request, error: error_pages.error_response(request, 403, str(error)),
        ServerNotRunning: lambda request, error: error_pages.error_response(
            request, 404, str(error)
        ),
        ExtensionRefused: _extension_refused,
        StoreError: _database_unavailable,
    }
)


def time_from_now(value: datetime, now: datetime) -> str:
    """A time relative to now: ``in 9 minutes``, ``in 2 h 5 min``, ``3 days ago``, ``now``.

    ``cull.js`` uses the same words to keep the text up to date.
    """
    minutes = int(abs((value - now).total_seconds()) // 60)
    if minutes == 0:
        return "now"
    if minutes < 60:
        length = f"{minutes} minute{'s' if minutes != 1 else ''}"
    elif minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        length = f"{hours} h {rest} min" if rest else f"{hours} h"
    else:
        length = f"{minutes // (24 * 60):,} days"
    return f"in {length}" if value > now else f"{length} ago"


def state_in_words(state: str) -> str:
    """The state of a server for people: "starting" for what the Hub calls "spawn"."""
    return _STATES.get(state, state)
