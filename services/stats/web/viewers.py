"""Who asks, and what they may see; and answers to what our own code raises on purpose."""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from common.errors import HubForbidden, HubNotFound, ServiceError, StoreUnavailable
from common.hub.models import User
from common.oauth.sign_in import SignIn
from common.web import error_pages
from services.stats.query.access import OutOfScope, Rules, Viewer
from services.stats.query.periods import BadQuery
from services.stats.scopes import ADMIN_SCOPE

if TYPE_CHECKING:
    from common.hub.client import HubClient

log = logging.getLogger("stats")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class NotThere(ServiceError):
    """Nothing is known of what was asked for, or nothing that the viewer may see."""


class Viewers:
    """Tells who asks. admin_groups: whose members see everything; of none, the Hub's admins."""

    def __init__(
        self, sign_in: SignIn, hub: "HubClient", admin_groups: frozenset[str] = frozenset()
    ) -> None:
        self._sign_in = sign_in
        self._hub = hub
        self._rules = Rules(ADMIN_SCOPE, admin_groups)

    async def of(self, request: web.Request) -> Viewer:
        """Who asks; raises the answer to nobody, and to who may not come in.

        Groups and the admin flag are what our own look-up of the user says at this moment: the
        token of a sign-in need not carry them.
        """
        identity = await self._sign_in.require(request)
        if identity.kind != "user":
            # A service may be called like a user; it is not that user.
            return Viewer.of("", self._rules, scopes=identity.scopes)
        user = await self._user(identity.name)
        return Viewer.of(
            identity.name,
            self._rules,
            admin=user is not None and user.admin,
            groups=identity.groups if user is None else user.groups,
            scopes=identity.scopes,
        )

    async def _user(self, name: str) -> User | None:
        try:
            return await self._hub.user(name)
        except (HubNotFound, HubForbidden):
            return None


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """400 to a bad question, 403 to one too many, 404, and 503 while the database is away."""
    try:
        return await handler(request)
    except BadQuery as error:
        return error_pages.answer(
            request,
            400,
            " ".join(error.problems),
            title="This cannot be used",
            problems=list(error.problems),
        )
    except OutOfScope as error:
        raise web.HTTPForbidden(text=_sentence(error)) from None
    except NotThere as error:
        raise web.HTTPNotFound(text=_sentence(error)) from None
    except StoreUnavailable as error:
        # The log says what is the matter; a visitor need not know.
        log.warning("%s", error)
        return error_pages.answer(
            request,
            503,
            "Try again in a moment.",
            title="The database is not there right now",
            headers={"Retry-After": "5"},
        )


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + "."
