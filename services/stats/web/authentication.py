"""Who is signed in, and what they may see."""

from typing import TYPE_CHECKING

from aiohttp import web

from common.errors import HubForbidden, HubNotFound
from common.hub.models import User
from common.oauth.sign_in import SignIn
from services.stats.query.access import FullAccess, Viewer
from services.stats.scopes import ADMIN_SCOPE

if TYPE_CHECKING:
    from common.hub.client import HubClient


class Authenticator:
    """Finds the viewer of a request.

    Members of ``admin_groups`` see everything; if there are none, Hub administrators do.
    """

    def __init__(
        self, sign_in: SignIn, hub: "HubClient", admin_groups: frozenset[str] = frozenset()
    ) -> None:
        self._sign_in = sign_in
        self._hub = hub
        self._full_access = FullAccess(ADMIN_SCOPE, admin_groups)

    async def viewer(self, request: web.Request) -> Viewer:
        """The signed-in user, or the service whose token was sent.

        Raises the response to a request that is not signed in or has no access. Groups and the
        admin flag are looked up at the Hub for each request, because the token need not have the
        scope to read them.
        """
        identity = await self._sign_in.require(request)
        if identity.kind != "user":
            # A service may have the name of a user, but it is not that user.
            return Viewer.of("", self._full_access, scopes=identity.scopes)
        user = await self._user(identity.name)
        return Viewer.of(
            identity.name,
            self._full_access,
            admin=user is not None and user.admin,
            groups=identity.groups if user is None else user.groups,
            scopes=identity.scopes,
        )

    async def _user(self, name: str) -> User | None:
        try:
            return await self._hub.user(name)
        except (HubNotFound, HubForbidden):
            return None
