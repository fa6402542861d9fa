"""What the culler's pages have in common: who looks, the menu, answers to our own errors."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from yarl import URL

from common.errors import StoreError
from common.oauth.sign_in import SignIn
from common.web import error_pages
from common.web.application import PREFIX
from common.web.pages import render as render_page
from services.cull.store.records import ExtensionRefused
from services.cull.web.actions import Desk, NotAllowed, NotThere, Viewer
from services.cull.web.forms import BadInput
from services.cull.web.presentation import utc

log = logging.getLogger("cull")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """A set of pages before one desk."""

    def __init__(self, desk: Desk, sign_in: SignIn) -> None:
        self.desk = desk
        self._sign_in = sign_in

    async def viewer(self, request: web.Request, *, fresh: bool = False) -> Viewer:
        """Who asks; raises the answer to who may not. fresh: for what changes something."""
        return await self.desk.viewer(await self._sign_in.require(request, fresh=fresh))

    def render(
        self,
        request: web.Request,
        viewer: Viewer,
        template: str,
        *,
        status: int = 200,
        **context: Any,
    ) -> web.Response:
        """Answer with a page, with the menu that this viewer has."""
        prefix = request.app[PREFIX]
        pages = [("Your servers", "")]
        if viewer.admin:
            pages += [
                ("All servers", "servers"),
                ("Holds", "holds"),
                ("History", "history"),
                ("Rules", "rules"),
            ]
        nav = [(label, prefix + path) for label, path in pages]
        return render_page(
            request, template, status=status, nav=nav, now=self.desk.now(), **context
        )

    def to(self, request: web.Request, path: str, /, **query: Any) -> URL:
        """The address of a page of ours."""
        tail = f"?{urlencode(query)}" if query else ""
        return URL(f"{request.app[PREFIX]}{path}{tail}", encoded=True)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what our own code raises on purpose."""
    try:
        return await handler(request)
    except BadInput as error:
        return error_pages.answer(
            request,
            400,
            "; ".join(error.problems),
            title="This cannot be used",
            problems=list(error.problems),
        )
    except NotAllowed as error:
        raise web.HTTPForbidden(text=str(error)) from None
    except NotThere as error:
        raise web.HTTPNotFound(text=str(error)) from None
    except ExtensionRefused as error:
        again = utc(error.again_at) if error.again_at else None
        return error_pages.answer(
            request, 409, sentence(error), title="No further extension", again_at=again
        )
    except StoreError as error:
        # The log says which database; a visitor need not know.
        log.warning("%s", error)
        return error_pages.answer(
            request,
            503,
            "Try again in a moment.",
            title="The database is not there right now",
            headers={"Retry-After": "5"},
        )


def sentence(error: Exception) -> str:
    """The error's words, as a sentence."""
    text = str(error)
    return text[:1].upper() + text[1:] + "."
